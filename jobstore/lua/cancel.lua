-- Cancels an unfinished job; the worker that holds it is ordered to stop it.
--   takes:   [5] id
--   answers: cancelled (also when it was already) | unknown | ended
-- include: prelude
-- include: settle
local id, key = ARGV[5], 'job.' .. ARGV[5]

use(RECORDS)
local record = call('HMGET', key, 'status', 'created', 'dataset', 'worker', 'attempt')
local status, worker = record[1], record[4]
if not status then return answer('unknown') end
if status == 'cancelled' then return answer('cancelled') end
if status == 'complete' or status == 'failed' then return answer('ended') end

call('ZREM', 'jobs.due', id)
if status == 'in progress' then
  use(QUEUE)
  call('LREM', WAITING .. ':' .. worker, 1, id)
  call('HSET', WORKER .. worker, 'stop', id .. ' ' .. record[5])
end
settle(id, status, 'cancelled', record[2], record[3])
return answer('cancelled')
