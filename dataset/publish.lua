-- Makes an uploaded version current; the previous one is deleted unless unfinished jobs have pinned it.
--   takes:   KEYS[1] data.current
--            ARGV[1] version   [2] number of chunks   [3] description (JSON)   [4] bytes of memory of the decoded rows
--   checks:  all chunks exist (an upload expires)
--   answers: incomplete    nothing was changed: upload again
--            current       also for an existing version, which gets this description with its new time of loading
local current, version, chunks = KEYS[1], ARGV[1], tonumber(ARGV[2])
local record = 'data.' .. version

for n = 0, chunks - 1 do
  if redis.call('EXISTS', record .. '.' .. n) == 0 then
    return 'incomplete'
  end
end
local previous = redis.call('GET', current)

for n = 0, chunks - 1 do
  redis.call('PERSIST', record .. '.' .. n)
end
redis.call('HSET', record, 'description', ARGV[3])
redis.call('HSETNX', record, 'chunks', chunks)
redis.call('HSET', record, 'memory', ARGV[4])
redis.call('HSETNX', record, 'pins', 0)
redis.call('SET', current, version)

if previous and previous ~= version then
  local old = 'data.' .. previous
  if tonumber(redis.call('HGET', old, 'pins') or 0) <= 0 then
    for n = 0, tonumber(redis.call('HGET', old, 'chunks') or 0) - 1 do
      redis.call('UNLINK', old .. '.' .. n)
    end
    redis.call('UNLINK', old)
  end
end
return 'current'
