-- Gives a worker its next job: what it holds already, else the first that waits. Answers as take.lua says. That a
-- worker holds one job at most is also what makes a dead connection's late take harmless.
local function described(id, attempt, record)
  return 'job', id, attempt, record[4], record[5], record[6], record[7], record[8] or ''
end

local function read(id)
  use(RECORDS)
  return call('HMGET', 'job.' .. id, 'status', 'created', 'attempt', 'analysis', 'start', 'end', 'params', 'dataset')
end

local function pop(worker)
  local held = WAITING .. ':' .. worker
  use(QUEUE)
  return call('LMOVE', WAITING .. '.high', held, 'LEFT', 'RIGHT')
    or call('LMOVE', WAITING, held, 'LEFT', 'RIGHT')
    or call('LMOVE', WAITING .. '.low', held, 'LEFT', 'RIGHT')
end

-- Begins with an id that was popped; one whose job does not wait any more is dropped, and the next one popped.
local function take_from(worker, id)
  for tries = 1, 100 do
    if not id then
      use(QUEUE)
      call('DEL', WAKE)
      return 'none'
    end
    local record = read(id)
    if record[1] == 'submitted' then
      local attempt = string.format('%d', (record[3] or 0) + 1)
      move(id, 'submitted', 'in progress', record[2], 'worker', worker, 'attempt', attempt, 'started', NOW)
      return described(id, attempt, record)
    end
    use(QUEUE)
    call('DEL', WAITING .. ':' .. worker)
    if tries == 100 then return 'again' end
    id = pop(worker)
  end
end

local function take_job(worker)
  use(QUEUE)
  if not call('ZSCORE', 'workers', worker) then return 'gone' end
  -- At maxmemory the first write must be one that frees, which LMOVE is not.
  call('LREM', WAKE, 1, '')
  local id = call('LINDEX', WAITING .. ':' .. worker, 0)
  if not id then return take_from(worker, pop(worker)) end
  local record = read(id)
  if record[1] == 'in progress' then return described(id, record[3], record) end
  return take_from(worker, id)
end
