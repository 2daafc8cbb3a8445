-- Functions that check a request for new jobs, and record that it was accepted.
local function find_by_idempotency_key(idempotency)
  if idempotency == '' then return end
  local kept = call('HMGET', 'idempotency.' .. idempotency, 'fingerprint', 'jobs', 'bulk')
  return kept[1] and answer('replay', kept[1], kept[2], kept[3] or '')
end

-- An owner's jobs are counted by its index, and by what remains of its accepted bulks.
local function check_acceptable(version, count, most, owner, quota)
  if version ~= '' and call('GET', 'data.current') ~= version then return answer('moved') end
  local unfinished = call('ZCARD', 'jobs') - call('ZCARD', 'jobs.ended')
  local own = call('ZCARD', 'jobs.unfinished.' .. owner)
  for _, bulk in ipairs(call('ZRANGE', 'bulks', 0, -1)) do
    local about = call('HMGET', 'bulk.' .. bulk, 'left', 'owner')
    unfinished = unfinished + about[1]
    if about[2] == owner then own = own + about[1] end
  end
  if owner ~= '' and tonumber(quota) > 0 and own + count > tonumber(quota) then return answer('quota', own) end
  if unfinished + count > tonumber(most) then return answer('full', unfinished) end
end

local function record_acceptance(version, pinned, idempotency, fingerprint, ttl, ids, count, bulk)
  if pinned > 0 then call('HINCRBY', 'data.' .. version, 'pins', pinned) end
  if idempotency == '' then return end
  local key = 'idempotency.' .. idempotency
  call('HSET', key, 'fingerprint', fingerprint, 'jobs', ids, 'left', count, 'made', count, 'created', now_us)
  if bulk then call('HSET', key, 'bulk', bulk) end
  call('EXPIRE', key, ttl)
end
