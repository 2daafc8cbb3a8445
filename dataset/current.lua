-- Tells what is loaded, in one round trip.
-- KEYS: 1 data.current
-- ARGV: none
-- Guards: none; writes nothing.
-- Answers: the description (JSON) of the current version, or false.
local version = redis.call('GET', KEYS[1])
if not version then
  return false
end
return redis.call('HGET', 'data.' .. version, 'description')
