-- The key goes with the last of the jobs that it made; those of its life before, a day ago, are not among them.
local function forget_idempotency(key, id)
  local made = call('HGET', key, 'jobs')
  if made and string.find(made, id, 1, true) and call('HINCRBY', key, 'left', -1) <= 0 then call('DEL', key) end
end

-- Removes an ended job with all that was kept of it.
local function forget(id)
  local key = 'job.' .. id
  local job = call('HMGET', key, 'status', 'analysis', 'idempotency')
  call('ZREM', 'jobs.ended', id)
  call('ZREM', 'jobs', id)
  if job[1] then call('ZREM', 'jobs.' .. job[1], id) end
  if job[2] then call('ZREM', 'jobs.analysis.' .. job[2], id) end
  if job[3] then forget_idempotency('idempotency.' .. job[3], id) end
  call('DEL', key, 'results.' .. id, 'log.' .. id)
end
