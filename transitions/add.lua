-- Stores and queues new jobs, all or none.
--   takes:   [5] version that they were validated against, '' for none   [6] idempotency hash, '' for none
--            [7] fingerprint of the body   [8] seconds that the idempotency key lives   [9] fields of a job
--            then for each job: id, analysis, priority, due (microseconds; '' at once), delay (likewise), dataset ('' for
--            none), and the other fields as name and value; the count above includes these six
--   answers: added <created of the first, in microseconds; each next one is 1 later>
--            replay <fingerprint> <ids>    the idempotency key was there
--            there                         the first id is: these very jobs were added before
--            moved                         the dataset's current version is another
-- include: prelude
-- include: integer
-- include: enqueue
local version, idempotency, fingerprint, ttl, width = ARGV[5], ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9])

use(RECORDS)
if idempotency ~= '' then
  local kept = call('HMGET', 'idempotency.' .. idempotency, 'fingerprint', 'jobs')
  if kept[1] then return answer('replay', kept[1], kept[2]) end
end
if call('EXISTS', 'job.' .. ARGV[10]) == 1 then return answer('there') end
if version ~= '' and call('GET', 'data.current') ~= version then return answer('moved') end

local ids, entries, pinned, created = {}, {}, 0, tonumber(NOW)
for at = 10, #ARGV, width do
  local id, analysis, priority, due, delay, dataset = unpack(ARGV, at, at + 5)
  local key, stamp = 'job.' .. id, integer(created)
  if due == '' and delay ~= '' then due = integer(NOW + tonumber(delay)) end
  local waits = due ~= '' and tonumber(due) > tonumber(NOW)
  local status = waits and 'scheduled' or 'submitted'
  call('HSET', key, 'id', id, 'status', status, 'analysis', analysis, 'priority', priority,
    'created', stamp, unpack(ARGV, at + 6, at + width - 1))
  call('ZADD', 'jobs', stamp, id)
  call('ZADD', 'jobs.' .. status, stamp, id)
  call('ZADD', 'jobs.analysis.' .. analysis, stamp, id)
  if dataset ~= '' then
    call('HSET', key, 'dataset', dataset)
    pinned = pinned + 1
  end
  if idempotency ~= '' then call('HSET', key, 'idempotency', idempotency) end
  if waits then
    call('ZADD', 'jobs.due', due, id)
  else
    entries[#entries + 1] = {id, priority}
  end
  ids[#ids + 1] = id
  created = created + 1
end
if pinned > 0 then call('HINCRBY', 'data.' .. version, 'pins', pinned) end
if idempotency ~= '' then
  local key = 'idempotency.' .. idempotency
  call('HSET', key, 'fingerprint', fingerprint, 'jobs', table.concat(ids, ' '), 'left', #ids)
  call('EXPIRE', key, ttl)
end
if #entries > 0 then enqueue(entries, false) end
return answer('added', NOW)
