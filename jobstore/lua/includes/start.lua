-- A block: sets `job`, what a worker needs of the job of `following`, whose id stands in its list. If that job waits, it
-- is in progress from now on, and `started` is its attempt; else `started` is nil.
use(RECORDS)
local key = 'job.' .. following
local job = call('HMGET', key, 'status', 'created', 'attempt', 'analysis', 'start', 'end', 'params', 'dataset')
local started
if job[1] == 'submitted' then
  started = string.format('%d', (job[3] or 0) + 1)
  call('ZREM', 'jobs.submitted', following)
  call('HSET', key, 'status', 'in progress', 'worker', worker, 'attempt', started, 'started', NOW)
  call('PUBLISH', key, 'in progress')
end
