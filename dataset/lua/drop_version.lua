-- Functions that delete versions; they open each script that replaces the current one.
local call = redis.call

-- Deletes a version that is neither current nor pinned, with its chunks; a changed version then unpins its base, which
-- is deleted likewise. The list of a base's changes lives as long as a version needs it.
local function drop_version(version)
  while version do
    local stored = 'data.' .. version
    local fields = call('HMGET', stored, 'pins', 'chunks', 'base')
    if tonumber(fields[1] or 0) > 0 or call('GET', 'data.current') == version then return end
    call('UNLINK', stored)
    for n = 0, tonumber(fields[2] or 0) - 1 do
      call('UNLINK', stored .. '.' .. n)
    end
    version = fields[3]
    if version then
      call('HINCRBY', 'data.' .. version, 'pins', -1)
      if call('HINCRBY', 'data.' .. version, 'derived', -1) <= 0 then
        call('UNLINK', 'data.' .. version .. '.changes')
      end
    end
  end
end
