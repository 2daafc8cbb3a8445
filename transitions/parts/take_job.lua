-- Gives a worker its next job: what it holds already, else the first that waits. Answers as take.lua says. That a
-- worker holds one job at most is also what makes a dead connection's late take harmless.
local function described(id, attempt, record)
  return 'job', id, attempt, record[4], record[5], record[6], record[7], record[8] or ''
end

local function read(id)
  use(RECORDS)
  return call('HMGET', 'job.' .. id, 'status', 'created', 'attempt', 'analysis', 'start', 'end', 'params', 'dataset')
end

local function pop(held)
  use(QUEUE)
  return call('LMOVE', WAITING .. '.high', held, 'LEFT', 'RIGHT')
    or call('LMOVE', WAITING, held, 'LEFT', 'RIGHT')
    or call('LMOVE', WAITING .. '.low', held, 'LEFT', 'RIGHT')
end

local function take_next(worker)
  local held = WAITING .. ':' .. worker
  for _ = 1, 100 do
    local id = pop(held)
    if not id then
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
    call('DEL', held)
  end
  return 'again'
end

local function take_job(worker)
  local held = WAITING .. ':' .. worker
  use(QUEUE)
  if not call('ZSCORE', 'workers', worker) then return 'gone' end
  local id = call('LINDEX', held, 0)
  if id then
    local record = read(id)
    if record[1] == 'in progress' then return described(id, record[3], record) end
    use(QUEUE)
    call('DEL', held)
  end
  return take_next(worker)
end
