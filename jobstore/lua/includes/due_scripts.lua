-- Finds the scripts of the housekeeping that have something to do, now or before the next heartbeat of a supervisor
-- without jobs; `due` has their names. ARGV[6] is the retention. Most often there is none: a heartbeat is then one script.
local IDLE_US = 1000000
local due = {}

local function find_due()
  select_db(RECORDS)
  if #call('ZRANGEBYSCORE', 'jobs.due', '-inf', integer(now_us + IDLE_US), 'LIMIT', 0, 1) > 0 then due[1] = 'promote' end
  local oldest = call('LINDEX', 'jobs.retention', 0)
  local has_old = oldest and tonumber(call('HGET', 'job.' .. oldest, 'ended') or 0) <= now_us - ARGV[6]
  if has_old or call('EXISTS', 'jobs.ended') == 1 then due[#due + 1] = 'purge' end
  if call('EXISTS', 'bulks') == 1 then due[#due + 1] = 'publish' end
  local epoch = call('GET', 'queue.epoch')
  select_db(QUEUE)
  -- One of an older release has removed a worker without what it had reserved.
  local reserving = call('SRANDMEMBER', RESERVING)
  if reserving and not call('ZSCORE', WORKERS, reserving) then due[#due + 1] = 'unreserve' end
  local stored = call('MGET', WAITING .. '.epoch', WAITING .. '.repair')
  if not epoch or stored[1] ~= epoch or stored[2] then due[#due + 1] = 'repair' end
end
