-- Renews the leases of one parent's workers, and tells it what they hold. Never creates one.
--   takes:   [5] lease, microseconds   [6...] workers
--   answers: <time, microseconds> <workers whose lease is over> <for each worker given: gone
--            | held <id> <attempt> <microseconds until it is over its time> <stop order '<id> <attempt>', or ''>>
-- include: prelude
-- include: integer
local lease = tonumber(ARGV[5])
local deadline = integer(NOW + lease)

local function held_by(worker)
  use(QUEUE)
  local id = call('LINDEX', WAITING .. ':' .. worker, 0)
  local stop = call('HGET', WORKER .. worker, 'stop') or ''
  if not id then return {'held', '', '', 0, stop} end
  use(RECORDS)
  local job = call('HMGET', 'job.' .. id, 'attempt', 'started', 'timeout')
  local left = job[2] and integer(job[2] + (job[3] or 3600) * 1000000 - NOW) or 0
  return {'held', id, job[1] or '', left, stop}
end

use(QUEUE)
call('ZREM', WORKERS, '')
local held = {}
for at = 6, #ARGV do
  use(QUEUE)
  if call('ZSCORE', WORKERS, ARGV[at]) then
    call('ZADD', WORKERS, deadline, ARGV[at])
    held[#held + 1] = held_by(ARGV[at])
  else
    held[#held + 1] = {'gone'}
  end
end
use(QUEUE)
-- A deadline further ahead was set by another clock.
for _, worker in ipairs(call('ZRANGEBYSCORE', WORKERS, '(' .. deadline, '+inf', 'LIMIT', 0, 100)) do
  call('ZADD', WORKERS, deadline, worker)
end
local expired = call('ZRANGEBYSCORE', WORKERS, '-inf', '(' .. NOW, 'LIMIT', 0, 100)
return answer(NOW, expired, held)
