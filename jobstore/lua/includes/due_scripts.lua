-- A block: sets `due`, the names of the scripts of the housekeeping that have something to do. ARGV[6] is the retention.
-- Most often none has: then a heartbeat costs one script.
local due = {}

local function add_due(script, index, until_us)
  if #call('ZRANGEBYSCORE', index, '-inf', until_us, 'LIMIT', 0, 1) > 0 then due[#due + 1] = script end
end

select_db(RECORDS)
add_due('promote', 'jobs.due', now_us)
add_due('purge', 'jobs.ended', integer(now_us - ARGV[6]))
add_due('publish', 'bulks', '+inf')
local epoch = call('GET', 'queue.epoch')
select_db(QUEUE)
-- One of an older release has removed a worker without what it had reserved.
local reserving = call('SRANDMEMBER', RESERVING)
if reserving and not call('ZSCORE', WORKERS, reserving) then due[#due + 1] = 'unreserve' end
local stored = call('MGET', WAITING .. '.epoch', WAITING .. '.repair')
if not epoch or stored[1] ~= epoch or stored[2] then due[#due + 1] = 'repair' end
