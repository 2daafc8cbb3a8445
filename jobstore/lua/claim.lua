-- Gives a worker its next job: the one that it holds already, else the first that it has reserved, else the first that
-- waits. A worker runs at most one job, so a claim that arrives late from a dropped connection is harmless.
--   takes:   [5] worker   [6] 1: a wake token may have been popped   [7] most jobs to reserve
--   checks:  the worker is registered; the job is submitted, or in progress with this worker
--   answers: job       <the job, then those that are reserved: includes/reserve.lua>
--            none      no job waits
--            again     a hundred ids of cancelled or deleted jobs were dropped: call again
--            gone      the worker is not registered
-- include: common
-- include: enqueue
local worker, want, claimed, all_reserved = ARGV[5], tonumber(ARGV[7]), {}, true

select_db(QUEUE)
if not call('ZSCORE', WORKERS, worker) then
  if ARGV[6] == '1' then wake(1) end
  return answer('gone')
end
-- At maxmemory the first write must be one that frees, which LMOVE is not.
call('LREM', WAKE, 1, '')
local held, reserved = WAITING .. ':' .. worker, WAITING .. ':' .. worker .. '.reserved'

local function start_next(next_id)
-- include: start_next
  if started then return job end
  -- What others hold may stand in the queue once more, put there by hand.
  if record[1] == 'in progress' then
    local its_own = call('HMGET', 'job.' .. next_id, 'worker', 'started')
    if its_own[1] == worker then
      job[9] = its_own[2] - (record[9] or record[10])
      return job
    end
  end
  select_db(QUEUE)
  call('DEL', held)
end

local function pop_next()
  local next_id
-- include: pop_next
  return next_id
end

local function reserve()
-- include: reserve
end

select_db(QUEUE)
local id = call('LINDEX', held, 0) or pop_next()
for tries = 1, 100 do
  if not id then
    call('DEL', WAKE)
    return answer('none')
  end
  claimed[1] = start_next(id)
  if claimed[1] then
    reserve()
    return answer('job', claimed)
  end
  -- An id that is popped is started or dropped by the same call: between two calls its worker may die.
  if tries < 100 then id = pop_next() end
end
return answer('again')
