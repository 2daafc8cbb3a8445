-- Queues scheduled jobs: those that are due, or one of them at once.
--   takes:   [5] how many at most   [6] id that is promoted now, '' for those that are due
--   answers: promoted <how many>
-- include: prelude
-- include: enqueue
-- include: settle
use(RECORDS)
local ids
if ARGV[6] == '' then
  ids = call('ZRANGEBYSCORE', 'jobs.due', '-inf', NOW, 'LIMIT', 0, ARGV[5])
else
  ids = call('ZSCORE', 'jobs.due', ARGV[6]) and {ARGV[6]} or {}
end
local entries = {}
for _, id in ipairs(ids) do
  local job = call('HMGET', 'job.' .. id, 'created', 'priority')
  call('ZREM', 'jobs.due', id)
  move(id, 'scheduled', 'submitted', job[1])
  entries[#entries + 1] = {id, job[2], job[1]}
end
if #entries > 0 then enqueue(entries, false) end
return answer('promoted', #entries)
