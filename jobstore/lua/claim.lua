-- Gives a worker its next job: the one that it holds already, else the first that waits. A worker holds at most one job,
-- so a claim that arrives late from a dropped connection is harmless.
--   takes:   [5] worker   [6] 1: a wake token may have been popped
--   checks:  the worker is registered; the job is submitted, or in progress with this worker
--   answers: job <name and value of: id, attempt, analysis, start, end, params, dataset, selection,
--            waited (microseconds in the queue), request_id>
--            none      no job waits
--            again     a hundred ids of cancelled or deleted jobs were dropped: call again
--            gone      the worker is not registered
-- include: common
-- include: enqueue
local worker = ARGV[5]

select_db(QUEUE)
if not call('ZSCORE', WORKERS, worker) then
  if ARGV[6] == '1' then wake(1) end
  return answer('gone')
end
-- At maxmemory the first write must be one that frees, which LMOVE is not.
call('LREM', WAKE, 1, '')

local function answer_with(id, attempt, job, since)
  return answer('job', 'id', id, 'attempt', attempt, 'analysis', job[4], 'start', job[5], 'end', job[6], 'params', job[7],
    'dataset', job[8] or '', 'selection', job[9] or '',
    'waited', since - (job[10] or job[2]), 'request_id', job[11] or '')
end

local function start_next(next_id)
-- include: start_next
  if started then return answer_with(next_id, started, job, now_us) end
  -- What others hold may stand in the queue once more, put there by hand.
  if job[1] == 'in progress' and call('HGET', key, 'worker') == worker then
    return answer_with(next_id, job[3], job, call('HGET', key, 'started'))
  end
  select_db(QUEUE)
  call('DEL', WAITING .. ':' .. worker)
end

local function pop_next()
-- include: pop_next
  return next_id
end

local id = call('LINDEX', WAITING .. ':' .. worker, 0) or pop_next()
for tries = 1, 100 do
  if not id then
    call('DEL', WAKE)
    return answer('none')
  end
  local taken = start_next(id)
  if taken then return taken end
  -- An id that is popped is started or dropped by the same call: between two calls its worker may die.
  if tries < 100 then id = pop_next() end
end
return answer('again')
