-- Removes an ended job with all that was kept of it.
local function forget(id)
  local key = 'job.' .. id
  local job = call('HMGET', key, 'status', 'analysis', 'idempotency')
  call('ZREM', 'jobs.ended', id)
  call('ZREM', 'jobs', id)
  if job[1] then call('ZREM', 'jobs.' .. job[1], id) end
  if job[2] then call('ZREM', 'jobs.analysis.' .. job[2], id) end
  if job[3] then call('DEL', 'idempotency.' .. job[3]) end
  call('DEL', key, 'results.' .. id, 'log.' .. id)
end
