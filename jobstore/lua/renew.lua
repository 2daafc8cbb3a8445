-- Renews the leases of registered workers and reads the job that each holds. Never registers one.
--   takes:   [5] lease, microseconds   [6] retention, microseconds   [7...] workers
--   answers: <time, microseconds> <workers whose lease is over> <for each worker given: gone
--            | held <name and value of: id and attempt of its job, '' for none, left (microseconds until its time-out),
--            stop ('<id> <attempt>' that it is ordered to stop, with 'released' where it was not cancelled, or '')>>
--            <scripts of the housekeeping that are due> <pause, microseconds: of a supervisor without jobs, until its
--            next call> <the same of one with jobs; less than a tick: each tick has a call>
-- include: common
-- include: integer
-- include: due_scripts
-- Microseconds between two heartbeats of a supervisor with jobs, for each worker that is registered: 4.5 s for 5,000.
local BUSY_US = 900
local lease = tonumber(ARGV[5])
local deadline = integer(now_us + lease)

select_db(QUEUE)
call('ZREM', WORKERS, '')
local held, ids, renewed = {}, {}, false
for at = 7, #ARGV do
  local worker = ARGV[at]
  -- It answers 0 too where the deadline is this one already.
  if call('ZADD', WORKERS, 'XX', 'CH', deadline, worker) == 1 or call('ZSCORE', WORKERS, worker) then
    renewed = renewed or at == 7
    local id = call('LINDEX', WAITING .. ':' .. worker, 0)
    local stop = call('HGET', WORKER .. worker, 'stop') or ''
    held[#held + 1] = {'held', 'id', id or '', 'attempt', '', 'left', 0, 'stop', stop}
    ids[#held] = id or nil
  else
    held[#held + 1] = {'gone'}
  end
end
local expired = call('ZRANGEBYSCORE', WORKERS, '-inf', '(' .. now_us, 'LIMIT', 0, 100)

-- The first supervisor keeps house for all of them, until it stops. The others call less often the more there are, as
-- long as one of them soon notices that; but without a gap in their heartbeats (runtime/supervisor.py).
local workers, keeper = call('ZCARD', WORKERS), call('GET', HOUSEKEEPER)
-- Its time to live, in milliseconds, is longer only by the clock of another server, before a failover.
if keeper and call('PTTL', HOUSEKEEPER) > 2 * IDLE_US / 1000 then keeper = false end
local longest = lease * 0.3
local pause, busy = IDLE_US, math.min(workers * BUSY_US, longest)
if keeper and keeper ~= ARGV[7] then
  pause = math.max(pause, math.min(pause * workers / math.max(1, #ARGV - 6) / 2, longest))
else
  busy = math.min(busy, IDLE_US)
  -- A deadline further ahead was set by another clock.
  for _, worker in ipairs(call('ZRANGEBYSCORE', WORKERS, '(' .. deadline, '+inf', 'LIMIT', 0, 100)) do
    call('ZADD', WORKERS, deadline, worker)
  end
  if renewed then call('SET', HOUSEKEEPER, ARGV[7], 'PX', 2 * IDLE_US / 1000) end
  find_due()
end
for at, id in pairs(ids) do
  select_db(RECORDS)
  local job = call('HMGET', 'job.' .. id, 'attempt', 'started', 'timeout')
  held[at][5] = job[1] or ''
  held[at][7] = job[2] and integer(job[2] + (job[3] or 3600) * 1000000 - now_us) or 0
end
return answer(now_us, expired, held, due, math.floor(pause), math.floor(busy))
