-- A key is deleted with the last of its jobs. The jobs of one request are created a microsecond apart; a key
-- of an older release has no `created`, and its ids are searched.
local function forget_idempotency(key, id, created)
  local first, made = unpack(call('HMGET', key, 'created', 'made'))
  local is_its_own
  if first then
    local position = created - first
    is_its_own = position >= 0 and position < tonumber(made)
  else
    local ids = call('HGET', key, 'jobs')
    is_its_own = ids and string.find(ids, id, 1, true)
  end
  if is_its_own and call('HINCRBY', key, 'left', -1) <= 0 then call('DEL', key) end
end

-- Removes an ended job with all that was kept of it.
local function delete_job(id)
  local key = 'job.' .. id
  local job = call('HMGET', key, 'status', 'analysis', 'idempotency', 'created', 'owner')
  call('ZREM', 'jobs.ended', id)
  call('ZREM', 'jobs', id)
  if job[1] then call('ZREM', 'jobs.' .. job[1], id) end
  if job[2] then call('ZREM', 'jobs.analysis.' .. job[2], id) end
  if job[5] and job[5] ~= '' then
    call('ZREM', 'jobs.owner.' .. job[5], id)
    -- Workers of the previous release leave it there at the job's end.
    call('ZREM', 'jobs.unfinished.' .. job[5], id)
  end
  if job[3] then forget_idempotency('idempotency.' .. job[3], id, job[4]) end
  call('UNLINK', key, 'results.' .. id, 'log.' .. id)
  call('PUBLISH', key, 'deleted')
end
