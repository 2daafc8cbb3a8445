-- Queues the jobs that a worker has reserved, because the one that it runs takes long.
--   takes:   [5] worker, '' for all that are not registered any more   [6] id and [7] attempt of the job that takes long
--   checks:  the worker holds that job; otherwise it may have begun some of those that it has reserved
--   answers: unreserved <jobs>
-- include: common
-- include: enqueue
-- include: unreserve_jobs
local count = 0
select_db(QUEUE)
if ARGV[5] ~= '' then
  local held = call('LINDEX', WAITING .. ':' .. ARGV[5], 0)
  select_db(RECORDS)
  if held ~= ARGV[6] or call('HGET', 'job.' .. held, 'attempt') ~= ARGV[7] then return answer('unreserved', 0) end
  select_db(QUEUE)
end
for _, worker in ipairs(ARGV[5] == '' and call('SMEMBERS', RESERVING) or {ARGV[5]}) do
  select_db(QUEUE)
  if ARGV[5] ~= '' or not call('ZSCORE', WORKERS, worker) then count = count + unreserve_jobs(worker, ARGV[5] == '') end
end
return answer('unreserved', count)
