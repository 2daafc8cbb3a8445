-- Cancels the unfinished job `id`, and orders the worker that holds it to stop it. Returns why it was not cancelled, nil if
-- it was: unknown, cancelled or ended, or other than the status `wanted`, '' for any.
local function cancel_job(id, wanted)
  select_db(RECORDS)
  local record = call('HMGET', 'job.' .. id, 'status', 'created', 'dataset', 'worker', 'attempt')
  local status, worker = record[1], record[4]
  if not status then return 'unknown' end
  if wanted ~= '' and status ~= wanted then return 'other' end
  if status == 'cancelled' then return 'cancelled' end
  if status == 'complete' or status == 'failed' then return 'ended' end

  call('ZREM', 'jobs.due', id)
  if status == 'in progress' then
    select_db(QUEUE)
    call('LREM', WAITING .. ':' .. worker, 1, id)
    call('HSET', WORKER .. worker, 'stop', id .. ' ' .. record[5])
    call('INCR', STOPS)
  end
  finalize(id, status, 'cancelled', record[2], record[3])
end
