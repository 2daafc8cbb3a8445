-- Makes a changed version current: its rows are those of its base with a list of changes, the last of which is new.
--   takes:   KEYS[1] data.current   [2] data.change.turn
--            ARGV[1] version that is changed   [2] its base   [3] the number of its changes   [4] the new change
--            [5] new version   [6] description (JSON)   [7] bytes of memory of the decoded rows   [8] as publish.lua [5]
--            [9] name of the caller
--   checks:  it is nobody else's turn; the version is current, and stored as the caller believes; no other version has further changes
--   answers: moved     nothing was changed: another version is current, or it is stored in another way
--            forked    nothing was changed: versions with other changes to the same base are pinned
--            current
local current, parent, base, changes, version = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[5]
local log = 'data.' .. base .. '.changes'

local turn = call('GET', KEYS[2])
if call('GET', current) ~= parent or (turn and turn ~= ARGV[9]) then
  return 'moved'
end
local stored = call('HMGET', 'data.' .. parent, 'base', 'changes', 'log')
if (stored[1] or parent) ~= base or tonumber(stored[2] or 0) ~= changes then
  return 'moved'
end
if call('LLEN', log) ~= changes then
  return 'forked'
end

call('RPUSH', log, ARGV[4])
-- A base's list may be dropped, and another one begin: each has the name of the first version that it made.
call('HSET', 'data.' .. version, 'base', base, 'changes', changes + 1, 'log', stored[3] or version, 'description', ARGV[6], 'memory', ARGV[7],
  'next_row', ARGV[8], 'pins', 0)
call('HINCRBY', 'data.' .. base, 'pins', 1)
call('HINCRBY', 'data.' .. base, 'derived', 1)
call('SET', current, version)
drop_version(parent)
if turn then call('UNLINK', KEYS[2]) end
return 'current'
