-- Unloads the dataset. The current version is deleted with its chunks, unless unfinished jobs have pinned it.
--   takes:   KEYS[1] data.current
--   answers: the version that was current | false. Idempotent.
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
