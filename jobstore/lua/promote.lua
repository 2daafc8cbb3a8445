-- Queues scheduled jobs: those that are due, or one of them at once.
--   takes:   [5] most jobs   [6] id to promote now, '' for those that are due
--   checks:  the job is scheduled
--   answers: promoted <jobs>
-- include: common
-- include: enqueue
-- include: finalize
select_db(RECORDS)
local ids
if ARGV[6] == '' then
  ids = call('ZRANGEBYSCORE', 'jobs.due', '-inf', now_us, 'LIMIT', 0, ARGV[5])
else
  ids = call('ZSCORE', 'jobs.due', ARGV[6]) and {ARGV[6]} or {}
end
local entries = {}
for _, id in ipairs(ids) do
  local job = call('HMGET', 'job.' .. id, 'created', 'priority')
  call('ZREM', 'jobs.due', id)
  move(id, 'scheduled', 'submitted', job[1], 'queued', now_us)
  entries[#entries + 1] = {id, job[2], job[1]}
end
if #entries > 0 then enqueue(entries, false) end
return answer('promoted', #entries)
