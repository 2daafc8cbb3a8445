-- Queues anew what the records say, where the queue's database was lost: both databases note the same epoch.
-- The lists are emptied, then all jobs are walked by creation, some in each call: what waits is queued, what is in
-- progress and not held by a live worker is given back, uncharged. `.repair` is the creation up to which that is done;
-- until then nothing that was created later is queued by others (includes/enqueue.lua), so each id is queued once.
--   takes:   [5] how many jobs are walked at most
--   answers: repaired <jobs that were walked, 0 where there is nothing to repair>
-- include: prelude
-- include: integer
-- include: enqueue
-- include: settle
-- include: give_back
local EPOCH, REPAIR, limit = WAITING .. '.epoch', WAITING .. '.repair', tonumber(ARGV[5])

use(RECORDS)
local epoch = call('GET', 'queue.epoch')
use(QUEUE)
local known, walked = call('GET', EPOCH), call('GET', REPAIR)
if not walked and epoch and known == epoch then return answer('repaired', 0) end

-- At maxmemory the first write must be one that frees.
call('ZREM', WORKERS, '')
if not epoch then
  call('SET', EPOCH, NOW)
  use(RECORDS)
  call('SET', 'queue.epoch', NOW)
  return answer('repaired', 0)
end
if known ~= epoch then
  for _, suffix in pairs(SUFFIX) do call('UNLINK', WAITING .. suffix) end
  call('SET', EPOCH, epoch)
  walked = '-1'
end

local function is_held(id, worker)
  use(QUEUE)
  return worker and call('ZSCORE', WORKERS, worker) and call('LINDEX', WAITING .. ':' .. worker, 0) == id
end

use(RECORDS)
local found = call('ZRANGEBYSCORE', 'jobs', '(' .. walked, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
if #found == 0 then
  use(QUEUE)
  call('DEL', REPAIR)
  return answer('repaired', 0)
end
-- Jobs of one creation are walked together.
local last = integer(tonumber(found[#found]))
local ids = call('ZRANGEBYSCORE', 'jobs', '(' .. walked, last)
use(QUEUE)
call('SET', REPAIR, last)
local entries = {}
for _, id in ipairs(ids) do
  use(RECORDS)
  local job = call('HMGET', 'job.' .. id, 'status', 'priority', 'worker')
  if job[1] == 'submitted' then
    entries[#entries + 1] = {id, job[2], last}
  elseif job[1] == 'in progress' and not is_held(id, job[3]) then
    give_back(id, job[3] or '', 'drain', '', 0)
  end
end
enqueue(entries, false)
return answer('repaired', #ids)
