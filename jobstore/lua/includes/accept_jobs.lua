-- Functions that check a request for new jobs, and record that it was accepted.
local function find_by_idempotency_key(idempotency)
  if idempotency == '' then return end
  local kept = call('HMGET', 'idempotency.' .. idempotency, 'fingerprint', 'jobs', 'bulk')
  return kept[1] and answer('replay', kept[1], kept[2], kept[3] or '')
end

local function check_acceptable(version, count, most)
  if version ~= '' and call('GET', 'data.current') ~= version then return answer('moved') end
  local unfinished = call('ZCARD', 'jobs') - call('ZCARD', 'jobs.ended')
  for _, bulk in ipairs(call('ZRANGE', 'bulks', 0, -1)) do
    unfinished = unfinished + call('HGET', 'bulk.' .. bulk, 'left')
  end
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
