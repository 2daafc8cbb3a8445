-- Queues the jobs that a worker has reserved, because the one that it runs takes long.
--   takes:   [5] worker, '' for all that are not registered any more
--   answers: unreserved <jobs>
-- include: common
-- include: enqueue
-- include: unreserve_jobs
local count = 0
select_db(QUEUE)
for _, worker in ipairs(ARGV[5] == '' and call('SMEMBERS', RESERVING) or {ARGV[5]}) do
  select_db(QUEUE)
  if ARGV[5] ~= '' or not call('ZSCORE', WORKERS, worker) then count = count + unreserve_jobs(worker, ARGV[5] == '') end
end
return answer('unreserved', count)
