-- Reads the current version in one moment, with the changes that lead to it from a version that the caller has decoded.
--   takes:   KEYS[1] data.current
--            ARGV[1] base of the caller's version   [2] name of its list of changes, '' for none   [3] how many it has
--   answers: false | version, {description, memory, base, changes, name of its list}, {further changes}
local version = redis.call('GET', KEYS[1])
if not version then
  return false
end
local fields = redis.call('HMGET', 'data.' .. version, 'description', 'memory', 'base', 'changes', 'log')
local further = {}
if fields[3] == ARGV[1] and (ARGV[2] == '' or ARGV[2] == fields[5]) and tonumber(ARGV[3]) < tonumber(fields[4]) then
  further = redis.call('LRANGE', 'data.' .. fields[3] .. '.changes', ARGV[3], tonumber(fields[4]) - 1)
end
return {version, fields, further}
