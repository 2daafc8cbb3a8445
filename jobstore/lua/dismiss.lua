-- Takes a worker out of the living and gives back what it held.
--   takes:   [5] worker   [6] why (see includes/give_back.lua)   [7] error, JSON or ''   [8] jitter, 0 to 1
--            [9] id and [10] attempt that the reason is meant for, '' for any: another job goes back uncharged
--            [11] 1: only if its lease is over
--   answers: dismissed <id that it held, or ''>
--            alive       its lease was renewed meanwhile
-- include: prelude
-- include: integer
-- include: enqueue
-- include: settle
-- include: give_back
local worker, why, failure, meant = ARGV[5], ARGV[6], ARGV[7], ARGV[9]

use(QUEUE)
local deadline = call('ZSCORE', WORKERS, worker)
if ARGV[11] == '1' and deadline and tonumber(deadline) > tonumber(NOW) then return answer('alive') end
call('ZREM', WORKERS, worker)
local id = call('LINDEX', WAITING .. ':' .. worker, 0) or ''
if id ~= '' then
  use(RECORDS)
  if meant ~= '' and (id ~= meant or call('HGET', 'job.' .. id, 'attempt') ~= ARGV[10]) then
    why, failure = 'drain', ''
  end
  local record = call('HMGET', 'job.' .. id, 'status', 'worker')
  if record[1] == 'in progress' and record[2] == worker then
    give_back(id, worker, why, failure, tonumber(ARGV[8]))
  end
end
use(QUEUE)
call('DEL', WAITING .. ':' .. worker, WORKER .. worker)
return answer('dismissed', id)
