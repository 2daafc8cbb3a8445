-- Releases one job; its worker stays registered.
--   takes:   [5] worker   [6] id   [7] attempt   [8] reason (includes/release_job.lua)   [9] error, JSON or ''
--            [10] jitter, 0 to 1   [11] log
--   checks:  the worker holds the job in this attempt
--   answers: <the job's new status> | refused
-- include: common
-- include: integer
-- include: enqueue
-- include: finalize
-- include: release_job
local worker, id, attempt = ARGV[5], ARGV[6], ARGV[7]

select_db(RECORDS)
local record = call('HMGET', 'job.' .. id, 'status', 'worker', 'attempt')
if record[1] ~= 'in progress' or record[2] ~= worker or record[3] ~= attempt then return answer('refused') end

release_job(id, worker, ARGV[8], ARGV[9], tonumber(ARGV[10]))
select_db(RECORDS)
if ARGV[11] ~= '' then call('HSET', 'log.' .. id, attempt, ARGV[11]) end
return answer(call('HGET', 'job.' .. id, 'status'))
