-- Completes a job for the worker and the attempt that hold it; name and content of each artifact begin at
-- ARGV[artifacts]. Answers as finish.lua says, and whether this call did it.
local function finish_job(worker, id, attempt, document, log, artifacts)
  local key = 'job.' .. id
  use(RECORDS)
  local record = call('HMGET', key, 'status', 'worker', 'attempt', 'created', 'dataset')
  if record[2] ~= worker or record[3] ~= attempt then return 'refused', false end
  if record[1] == 'complete' then return 'complete', false end
  if record[1] ~= 'in progress' then return 'refused', false end

  settle(id, 'in progress', 'complete', record[4], record[5])
  call('HSET', 'results.' .. id, 'document', document)
  for at = artifacts, #ARGV, 2 do
    call('HSET', 'results.' .. id, 'artifact.' .. ARGV[at], ARGV[at + 1])
  end
  if log ~= '' then call('HSET', 'log.' .. id, attempt, log) end
  use(QUEUE)
  call('LREM', WAITING .. ':' .. worker, 1, id)
  return 'complete', true
end
