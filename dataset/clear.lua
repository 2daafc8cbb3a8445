-- Leaves no dataset loaded. The version that was current goes with its chunks, unless unfinished jobs hold it.
-- KEYS: 1 data.current
-- ARGV: none
-- Guards: none.
-- Answers: the version that was current, or false. Safe to send twice.
local version = redis.call('GET', KEYS[1])
if not version then
  return false
end
local record = 'data.' .. version
local pins = tonumber(redis.call('HGET', record, 'pins') or 0)
local chunks = tonumber(redis.call('HGET', record, 'chunks') or 0)

redis.call('DEL', KEYS[1])
if pins <= 0 then
  for n = 0, chunks - 1 do
    redis.call('UNLINK', record .. '.' .. n)
  end
  redis.call('UNLINK', record)
end
return version
