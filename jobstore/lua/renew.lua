-- Renews the leases of registered workers and reads the job that each holds. Never registers one.
--   takes:   [5] lease, microseconds   [6] retention, microseconds   [7...] workers
--   answers: <time, microseconds> <workers whose lease is over> <for each worker given: gone
--            | held <name and value of: id and attempt of its job, '' for none, left (microseconds until its time-out),
--            stop ('<id> <attempt>' that it is ordered to stop, with 'released' where it was not cancelled, or '')>>
--            <scripts of the housekeeping that are due> <pause, microseconds: of a supervisor without jobs, until its next call>
-- include: common
-- include: integer
-- include: due_scripts
local lease = tonumber(ARGV[5])
local deadline = integer(now_us + lease)

local function held_by(worker)
  select_db(QUEUE)
  local id = call('LINDEX', WAITING .. ':' .. worker, 0)
  local stop = call('HGET', WORKER .. worker, 'stop') or ''
  if not id then return {'held', 'id', '', 'attempt', '', 'left', 0, 'stop', stop} end
  select_db(RECORDS)
  local job = call('HMGET', 'job.' .. id, 'attempt', 'started', 'timeout')
  local left = job[2] and integer(job[2] + (job[3] or 3600) * 1000000 - now_us) or 0
  return {'held', 'id', id, 'attempt', job[1] or '', 'left', left, 'stop', stop}
end

select_db(QUEUE)
call('ZREM', WORKERS, '')
local held = {}
for at = 7, #ARGV do
  select_db(QUEUE)
  if call('ZSCORE', WORKERS, ARGV[at]) then
    call('ZADD', WORKERS, deadline, ARGV[at])
    held[#held + 1] = held_by(ARGV[at])
  else
    held[#held + 1] = {'gone'}
  end
end
select_db(QUEUE)
-- A deadline further ahead was set by another clock.
for _, worker in ipairs(call('ZRANGEBYSCORE', WORKERS, '(' .. deadline, '+inf', 'LIMIT', 0, 100)) do
  call('ZADD', WORKERS, deadline, worker)
end
-- The first supervisor without jobs keeps house for all of them, until it stops. The others call less often the more
-- there are, as long as one of them soon notices that; but without a gap in their heartbeats (runtime/supervisor.py).
local pause, keeper = IDLE_US, call('GET', HOUSEKEEPER)
if keeper and keeper ~= ARGV[7] then
  local supervisors = call('ZCARD', WORKERS) / math.max(1, #ARGV - 6)
  pause = math.max(pause, math.min(pause * supervisors / 2, lease * 0.3))
elseif held[1] and held[1][1] == 'held' then
  call('SET', HOUSEKEEPER, ARGV[7], 'PX', 2 * IDLE_US / 1000)
end
local expired = call('ZRANGEBYSCORE', WORKERS, '-inf', '(' .. now_us, 'LIMIT', 0, 100)
return answer(now_us, expired, held, due, math.floor(pause))
