-- Stores the progress and the log of a running job.
--   takes:   [5] worker   [6] id   [7] attempt   [8] progress, 0 to 1, '' for none   [9] message   [10] log
--   checks:  the worker holds the job in this attempt
--   answers: noted | refused
-- include: common
local id, key = ARGV[6], 'job.' .. ARGV[6]

select_db(RECORDS)
local record = call('HMGET', key, 'status', 'worker', 'attempt')
if record[1] ~= 'in progress' or record[2] ~= ARGV[5] or record[3] ~= ARGV[7] then return answer('refused') end
call('HDEL', key, '')
if ARGV[8] ~= '' then call('HSET', key, 'progress', ARGV[8], 'message', ARGV[9]) end
if ARGV[10] ~= '' then call('HSET', 'log.' .. id, ARGV[7], ARGV[10]) end
call('PUBLISH', key, 'progress')
return answer('noted')
