-- Makes an uploaded version current; the previous one is deleted unless unfinished jobs have pinned it.
--   takes:   KEYS[1] data.current
--            ARGV[1] version   [2] number of chunks   [3] description (JSON)   [4] bytes of memory of the decoded rows
--            [5] number of the next row, '' for one more than there are rows
--            [6] the version that it replaces, '' for any, '-' for none
--            [7] owner of the dataset, '' for none, 'same owner' to leave it   [8] 1: replace only a dataset of this owner
--   checks:  all chunks exist (an upload expires); the version that it replaces is current; its owner, where asked
--   answers: incomplete    nothing was changed: upload again
--            moved         nothing was changed: another version is current
--            foreign       nothing was changed: the dataset has another owner
--            current       also for an existing version, which gets this description with its new time of loading
local current, version, chunks, replaces = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[6]
local record = 'data.' .. version

local previous = call('GET', current)
-- Where it is current already, the answer to a first call was lost.
if replaces ~= '' and (previous or '-') ~= replaces and not (replaces ~= '-' and previous == version) then
  return 'moved'
end
if previous and ARGV[8] == '1' and call('GET', 'data.owner') ~= ARGV[7] then
  return 'foreign'
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
if ARGV[7] == '' then
  call('DEL', 'data.owner')
elseif ARGV[7] ~= 'same owner' then
  call('SET', 'data.owner', ARGV[7])
end

if previous ~= version then
  drop_version(previous)
end
return 'current'
