-- Functions that move a job from one status to another, or end it; further names and values go into the record. There is
-- no index of jobs in progress: the workers' lists are it. At maxmemory a script continues if its first write frees
-- memory, so the ZREM comes first, or the LREM from a worker's list did. Ends and retries are counted for metrics.
local function count(outcome, of)
  select_db(QUEUE)
  call('HINCRBY', WAITING .. '.totals', outcome .. ' ' .. of, 1)
  select_db(RECORDS)
end

local function move(id, from, to, created, ...)
  local key = 'job.' .. id
  select_db(RECORDS)
  if from ~= 'in progress' then call('ZREM', 'jobs.' .. from, id) end
  if to ~= 'in progress' then call('ZADD', 'jobs.' .. to, created, id) end
  call('HSET', key, 'status', to, ...)
  call('PUBLISH', key, to)
end

local function finalize(id, from, to, created, version)
  move(id, from, to, created, 'ended', now_us)
  call('ZREM', 'jobs', id)
  call('RPUSH', 'jobs.retention', id)
  local record = call('HMGET', 'job.' .. id, 'owner', 'analysis')
  if record[1] then call('ZREM', 'jobs.unfinished.' .. record[1], id) end
-- include: release_dataset
-- include: count_end
  if to == 'failed' then call('HINCRBY', rate, 'failed', 1) end
  count(to, record[2] or '')
end
