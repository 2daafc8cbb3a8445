-- Replaces the base of the current version by one that has the first of its changes in its own, uploaded chunks.
--   takes:   KEYS[1] data.current
--            ARGV[1] old base   [2] the number of its changes that the new one has   [3] name of the list of changes
--            [4] new base   [5] number of chunks   [6] description of the new base (JSON)   [7] bytes of memory of its
--            rows   [8] as publish.lua [5]
--   checks:  the current version has the old base, and these changes; all chunks exist (an upload expires)
--   answers: moved    nothing was changed, and the chunks were deleted    |    incomplete    nothing was changed
--            current
local old, folded, log, base, chunks = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local version = call('GET', KEYS[1])
local stored = version and call('HMGET', 'data.' .. version, 'base', 'changes', 'log') or {}

if stored[1] ~= old or stored[3] ~= log or tonumber(stored[2]) < folded then
  if call('HEXISTS', 'data.' .. base, 'chunks') == 0 then
    for n = 0, chunks - 1 do
      call('UNLINK', 'data.' .. base .. '.' .. n)
    end
  end
  return 'moved'
end
for n = 0, chunks - 1 do
  if call('EXISTS', 'data.' .. base .. '.' .. n) == 0 then
    return 'incomplete'
  end
end

-- Where jobs have pinned the new base, it is a version already, and has the old base until now.
local own = call('HGET', 'data.' .. base, 'base')
for n = 0, chunks - 1 do
  call('PERSIST', 'data.' .. base .. '.' .. n)
end
call('HSET', 'data.' .. base, 'chunks', chunks, 'description', ARGV[6], 'memory', ARGV[7], 'next_row', ARGV[8],
  'folded', old .. ' ' .. folded .. ' ' .. log)
call('HSETNX', 'data.' .. base, 'pins', 0)
call('HDEL', 'data.' .. base, 'base', 'changes', 'log')
if own then
  call('HINCRBY', 'data.' .. old, 'pins', -1)
  call('HINCRBY', 'data.' .. old, 'derived', -1)
end
if version ~= base then
  for _, change in ipairs(call('LRANGE', 'data.' .. old .. '.changes', folded, tonumber(stored[2]) - 1)) do
    call('RPUSH', 'data.' .. base .. '.changes', change)
  end
  call('HSET', 'data.' .. version, 'base', base, 'changes', tonumber(stored[2]) - folded)
  call('HINCRBY', 'data.' .. base, 'pins', 1)
  call('HINCRBY', 'data.' .. base, 'derived', 1)
  call('HINCRBY', 'data.' .. old, 'pins', -1)
  call('HINCRBY', 'data.' .. old, 'derived', -1)
end
if tonumber(call('HGET', 'data.' .. old, 'derived')) <= 0 then
  call('UNLINK', 'data.' .. old .. '.changes')
end
drop_version(old)
return 'current'
