-- Cancels an unfinished job, and orders the worker that holds it to stop it.
--   takes:   [5] id
--   checks:  the job exists and has not ended
--   answers: cancelled (also for a cancelled job) | unknown | ended
-- include: common
-- include: finalize
local id, key = ARGV[5], 'job.' .. ARGV[5]

select_db(RECORDS)
local record = call('HMGET', key, 'status', 'created', 'dataset', 'worker', 'attempt')
local status, worker = record[1], record[4]
if not status then return answer('unknown') end
if status == 'cancelled' then return answer('cancelled') end
if status == 'complete' or status == 'failed' then return answer('ended') end

call('ZREM', 'jobs.due', id)
if status == 'in progress' then
  select_db(QUEUE)
  call('LREM', WAITING .. ':' .. worker, 1, id)
  call('HSET', WORKER .. worker, 'stop', id .. ' ' .. record[5])
end
finalize(id, status, 'cancelled', record[2], record[3])
return answer('cancelled')
