-- Gives a worker its next job: what it holds already, else the first that waits. That a worker holds one job at most is
-- also what makes a dead connection's late take harmless.
--   takes:   [5] worker   [6] 1 after a wake token may have been popped
--   answers: job <id> <attempt> <analysis> <start> <end> <params> <dataset>
--            none      nothing waits
--            again     a hundred ids were dropped, whose jobs were cancelled or removed: call again
--            gone      the worker is not registered
-- include: prelude
-- include: enqueue
local worker = ARGV[5]

use(QUEUE)
if not call('ZSCORE', WORKERS, worker) then
  if ARGV[6] == '1' then wake(1) end
  return answer('gone')
end
-- At maxmemory the first write must be one that frees, which LMOVE is not.
call('LREM', WAKE, 1, '')

local function answer_with(id, attempt, job)
  return answer('job', id, attempt, job[4], job[5], job[6], job[7], job[8] or '')
end

local function start(following)
-- include: start
  if started then return answer_with(following, started, job) end
  -- What others hold may stand in the queue once more, put there by hand.
  if job[1] == 'in progress' and call('HGET', key, 'worker') == worker then
    return answer_with(following, job[3], job)
  end
  use(QUEUE)
  call('DEL', WAITING .. ':' .. worker)
end

local function pop()
-- include: pop
  return following
end

local id = call('LINDEX', WAITING .. ':' .. worker, 0) or pop()
for tries = 1, 100 do
  if not id then
    call('DEL', WAKE)
    return answer('none')
  end
  local taken = start(id)
  if taken then return taken end
  -- An id that is popped is started or dropped by the same call: between two calls its worker may die.
  if tries < 100 then id = pop() end
end
return answer('again')
