-- Reads the description of the current version in one round trip.
--   takes:   KEYS[1] data.current
--   answers: the description (JSON) | false
local version = redis.call('GET', KEYS[1])
if not version then
  return false
end
return redis.call('HGET', 'data.' .. version, 'description')
