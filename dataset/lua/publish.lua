-- Makes an uploaded version current; the previous one is deleted unless unfinished jobs have pinned it.
--   takes:   KEYS[1] data.current
--            ARGV[1] version   [2] number of chunks   [3] description (JSON)   [4] bytes of memory of the decoded rows
--            [5] number of the next row, '' for one more than there are rows
--            [6] the version that it replaces, '' for any, '-' for none
--   checks:  all chunks exist (an upload expires); the version that it replaces is current
--   answers: incomplete    nothing was changed: upload again
--            moved         nothing was changed: another version is current
--            current       also for an existing version, which gets this description with its new time of loading
local current, version, chunks, replaces = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[6]
local record = 'data.' .. version

local previous = call('GET', current)
if replaces ~= '' and (previous or '-') ~= replaces then
  return 'moved'
end
for n = 0, chunks - 1 do
  if call('EXISTS', record .. '.' .. n) == 0 then
    return 'incomplete'
  end
end

for n = 0, chunks - 1 do
  call('PERSIST', record .. '.' .. n)
end
call('HSET', record, 'description', ARGV[3])
call('HSETNX', record, 'chunks', chunks)
call('HSET', record, 'memory', ARGV[4], 'next_row', ARGV[5])
call('HSETNX', record, 'pins', 0)
call('SET', current, version)

if previous ~= version then
  drop_version(previous)
end
return 'current'
