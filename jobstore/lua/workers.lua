-- Reads who lives. Writes nothing.
--   answers: workers <for each: id, host, pid, since in microseconds, id of the job that it holds or ''>
-- include: prelude
use(QUEUE)
local ids = call('ZRANGEBYSCORE', WORKERS, '(' .. NOW, '+inf')
local found = {'workers'}
for _, worker in ipairs(ids) do
  local about = call('HMGET', WORKER .. worker, 'host', 'pid', 'since')
  found[#found + 1] = {worker, about[1], about[2], about[3], call('LINDEX', WAITING .. ':' .. worker, 0) or ''}
end
use(HOME)
return found
