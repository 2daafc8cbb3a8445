-- A block: lowers the pins of the dataset `version` (or nil) of an ended job. The last pin of a version that is not
-- current deletes it with its chunks, and a changed version then unpins its base in the same way (dataset/store.py).
while version do
  local stored = 'data.' .. version
  if call('HINCRBY', stored, 'pins', -1) > 0 or call('GET', 'data.current') == version then break end
  local fields = call('HMGET', stored, 'chunks', 'base')
  call('UNLINK', stored)
  for n = 0, tonumber(fields[1] or 0) - 1 do
    call('UNLINK', stored .. '.' .. n)
  end
  version = fields[2]
  if version and call('HINCRBY', 'data.' .. version, 'derived', -1) <= 0 then
    call('UNLINK', 'data.' .. version .. '.changes')
  end
end
