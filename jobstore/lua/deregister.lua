-- Removes a worker, queues the jobs that it has reserved and releases the one that it held.
--   takes:   [5] worker   [6] reason (includes/release_job.lua)   [7] error, JSON or ''   [8] jitter, 0 to 1
--            [9] id and [10] attempt that the reason is about, '' for any; another job is released as by a drain
--            [11] 1: only if its lease is over
--   checks:  the lease, where asked; the job is in progress and held by this worker
--   answers: deregistered <id that it held, or ''>
--            alive       its lease was renewed
-- include: common
-- include: integer
-- include: enqueue
-- include: finalize
-- include: release_job
-- include: unreserve_jobs
local worker, reason, failure, only_if_run = ARGV[5], ARGV[6], ARGV[7], ARGV[9]

select_db(QUEUE)
local deadline = call('ZSCORE', WORKERS, worker)
if ARGV[11] == '1' and deadline and tonumber(deadline) > tonumber(now_us) then return answer('alive') end
call('ZREM', WORKERS, worker)
unreserve_jobs(worker, ARGV[11] == '1')
select_db(QUEUE)
local id = call('LINDEX', WAITING .. ':' .. worker, 0) or ''
if id ~= '' then
  select_db(RECORDS)
  if only_if_run ~= '' and (id ~= only_if_run or call('HGET', 'job.' .. id, 'attempt') ~= ARGV[10]) then
    reason, failure = 'drain', ''
  end
  local record = call('HMGET', 'job.' .. id, 'status', 'worker')
  if record[1] == 'in progress' and record[2] == worker then
    release_job(id, worker, reason, failure, tonumber(ARGV[8]))
  end
end
select_db(QUEUE)
call('DEL', WAITING .. ':' .. worker, WORKER .. worker)
return answer('deregistered', id)
