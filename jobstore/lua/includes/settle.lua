-- Moves a job from one status to another, and ends it with all that belongs to an end; further names and values go into
-- the record. What is in progress has no index: the lists of the workers say it. At maxmemory a script goes on if its
-- first write frees, so the ZREM comes first, or the LREM from a worker's list did.
local function move(id, from, to, created, ...)
  local key = 'job.' .. id
  use(RECORDS)
  if from ~= 'in progress' then call('ZREM', 'jobs.' .. from, id) end
  if to ~= 'in progress' then call('ZADD', 'jobs.' .. to, created, id) end
  call('HSET', key, 'status', to, ...)
  call('PUBLISH', key, to)
end

local function settle(id, from, to, created, version)
  move(id, from, to, created, 'ended', NOW)
  call('ZADD', 'jobs.ended', NOW, id)
-- include: unpin
end
