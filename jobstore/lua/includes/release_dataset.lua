-- A block: lowers the pins of the dataset `version` (or nil) of an ended job; the last pin of a version that is not
-- current deletes its description and its chunks.
if version and call('HINCRBY', 'data.' .. version, 'pins', -1) <= 0 and call('GET', 'data.current') ~= version then
  local stored = 'data.' .. version
  local chunks = tonumber(call('HGET', stored, 'chunks') or 0)
  call('UNLINK', stored)
  for n = 0, chunks - 1 do
    call('UNLINK', stored .. '.' .. n)
  end
end
