-- Queues the jobs that a worker has reserved: the job that it runs takes long.
--   takes:   [5] worker
--   answers: unreserved <jobs>
-- include: common
-- include: enqueue
-- include: unreserve_jobs
return answer('unreserved', unreserve_jobs(ARGV[5]))
