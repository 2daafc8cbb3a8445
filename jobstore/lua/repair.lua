-- Rebuilds the queue from the records after its database was lost; both databases store the same epoch.
-- The lists are emptied, then all jobs are walked by creation, some in each call: submitted ones are queued, those in
-- progress that no registered worker holds are released as by a drain. `.repair` is the creation up to which that is
-- done; until then other scripts queue nothing that was created later (includes/enqueue.lua), so each id is queued once.
--   takes:   [5] most jobs to walk
--   answers: repaired <jobs that were walked, 0 if there is nothing to repair>
-- include: common
-- include: integer
-- include: enqueue
-- include: finalize
-- include: release_job
local EPOCH, REPAIR, limit = WAITING .. '.epoch', WAITING .. '.repair', tonumber(ARGV[5])

select_db(RECORDS)
local epoch = call('GET', 'queue.epoch')
select_db(QUEUE)
local known, walked = call('GET', EPOCH), call('GET', REPAIR)
if not walked and epoch and known == epoch then return answer('repaired', 0) end

-- At maxmemory the first write must be one that frees.
call('ZREM', WORKERS, '')
if not epoch then
  call('SET', EPOCH, now_us)
  select_db(RECORDS)
  call('SET', 'queue.epoch', now_us)
  return answer('repaired', 0)
end
if known ~= epoch then
  for _, suffix in pairs(SUFFIX) do call('UNLINK', WAITING .. suffix) end
  for _, worker in ipairs(call('SMEMBERS', RESERVING)) do call('UNLINK', WAITING .. ':' .. worker .. '.reserved') end
  call('UNLINK', RESERVING)
  call('SET', EPOCH, epoch)
  walked = '-1'
end

local function is_held(id, worker)
  select_db(QUEUE)
  return worker and call('ZSCORE', WORKERS, worker) and call('LINDEX', WAITING .. ':' .. worker, 0) == id
end

select_db(RECORDS)
local found = call('ZRANGEBYSCORE', 'jobs', '(' .. walked, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
if #found == 0 then
  select_db(QUEUE)
  call('DEL', REPAIR)
  return answer('repaired', 0)
end
-- Jobs of one creation are walked together.
local last = integer(tonumber(found[#found]))
local ids = call('ZRANGEBYSCORE', 'jobs', '(' .. walked, last)
select_db(QUEUE)
call('SET', REPAIR, last)
local entries = {}
for _, id in ipairs(ids) do
  select_db(RECORDS)
  local job = call('HMGET', 'job.' .. id, 'status', 'priority', 'worker')
  if job[1] == 'submitted' then
    entries[#entries + 1] = {id, job[2], last}
  elseif job[1] == 'in progress' and not is_held(id, job[3]) then
    release_job(id, job[3] or '', 'drain', '', 0)
  end
end
enqueue(entries, false)
return answer('repaired', #ids)
