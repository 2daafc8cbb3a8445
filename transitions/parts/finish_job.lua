-- Completes a job for the worker and the attempt that hold it.

-- What is needed of the record, or nil and the answer of finish.lua where there is nothing to complete.
local function held_record(worker, id, attempt)
  use(RECORDS)
  local record = call('HMGET', 'job.' .. id, 'status', 'worker', 'attempt', 'created', 'dataset')
  if record[2] ~= worker or record[3] ~= attempt then return nil, 'refused' end
  if record[1] == 'complete' then return nil, 'complete' end
  if record[1] ~= 'in progress' then return nil, 'refused' end
  return record
end

local function let_go(worker, id)
  use(QUEUE)
  call('LREM', WAITING .. ':' .. worker, 1, id)
end

-- Name and content of each artifact begin at ARGV[10].
local function complete(id, attempt, record, document, log)
  settle(id, 'in progress', 'complete', record[4], record[5])
  call('HSET', 'results.' .. id, 'document', document)
  for at = 10, #ARGV, 2 do
    call('HSET', 'results.' .. id, 'artifact.' .. ARGV[at], ARGV[at + 1])
  end
  if log ~= '' then call('HSET', 'log.' .. id, attempt, log) end
end
