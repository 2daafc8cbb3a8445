-- A block: the submitted job `next_id` becomes in progress, in the attempt `started`.
call('ZREM', 'jobs.submitted', next_id)
call('HSET', 'job.' .. next_id, 'status', 'in progress', 'worker', worker, 'attempt', started, 'started', now_us)
call('PUBLISH', 'job.' .. next_id, 'in progress')
