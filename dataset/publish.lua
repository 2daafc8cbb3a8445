-- Makes an uploaded version the current one.
-- KEYS: 1 data.current
-- ARGV: 1 version, 2 number of chunks, 3 description (JSON), 4 bytes of memory that its rows take
-- Guards: all chunks are there (an upload expires).
-- Answers: 'incomplete' (nothing was changed: upload again), else 'current'. Safe to send twice: a version that is
--   there already gets this description, which says when it was loaded last.
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
