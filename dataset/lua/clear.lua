-- Unloads the dataset. The current version is deleted, unless unfinished jobs have pinned it.
--   takes:   KEYS[1] data.current
--            ARGV[1] '' or the owner that the dataset must have   [2] '' or the version that must be current
--   answers: the version that was current | foreign | moved | false. Idempotent.
local version = call('GET', KEYS[1])
if not version then
  return false
end
if ARGV[2] ~= '' and version ~= ARGV[2] then
  return 'moved'
end
if ARGV[1] ~= '' and call('GET', 'data.owner') ~= ARGV[1] then
  return 'foreign'
end
call('DEL', KEYS[1], 'data.owner')
drop_version(version)
return version
