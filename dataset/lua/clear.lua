-- Unloads the dataset. The current version is deleted, unless unfinished jobs have pinned it.
--   takes:   KEYS[1] data.current
--   answers: the version that was current | false. Idempotent.
local version = call('GET', KEYS[1])
if not version then
  return false
end
call('DEL', KEYS[1])
drop_version(version)
return version
