-- Reads the registered workers. Writes nothing.
--   answers: workers <for each, name and value of: id, host, pid, since (microseconds), job (the id it holds, or '')>
-- include: common
select_db(QUEUE)
local ids = call('ZRANGEBYSCORE', WORKERS, '(' .. now_us, '+inf')
local found = {'workers'}
for _, worker in ipairs(ids) do
  local about = call('HMGET', WORKER .. worker, 'host', 'pid', 'since')
  local job = call('LINDEX', WAITING .. ':' .. worker, 0) or ''
  found[#found + 1] = {'id', worker, 'host', about[1], 'pid', about[2], 'since', about[3], 'job', job}
end
select_db(HOME)
return found
