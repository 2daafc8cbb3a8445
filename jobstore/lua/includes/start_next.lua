-- A block: sets `job`, the fields of the job `next_id` that a worker needs; its id is in the worker's list. A submitted job
-- becomes in progress, and `started` is its attempt; otherwise `started` is nil.
select_db(RECORDS)
local key = 'job.' .. next_id
local job = call('HMGET', key, 'status', 'created', 'attempt', 'analysis', 'start', 'end', 'params', 'dataset',
  'selection', 'queued', 'request_id')
local started
if job[1] == 'submitted' then
  started = string.format('%d', (job[3] or 0) + 1)
  call('ZREM', 'jobs.submitted', next_id)
  call('HSET', key, 'status', 'in progress', 'worker', worker, 'attempt', started, 'started', now_us)
  call('PUBLISH', key, 'in progress')
end
