-- A block: sets `begun` to 'started' once the reserved job `next_id` is in progress with the worker in `next_attempt`, else
-- to 'void', and then orders to stop it. `is_first` is whether its id was just moved to the worker's list.
select_db(RECORDS)
local following = call('HMGET', 'job.' .. next_id, 'status', 'attempt', 'worker')
local started = string.format('%d', (following[2] or 0) + 1)
begun = 'void'
if is_first and following[1] == 'submitted' and started == next_attempt then
  begun = 'started'
-- include: start_job
elseif not is_first and following[3] == worker and following[2] == next_attempt then
  begun = 'started' -- this call was received before
else
  select_db(QUEUE)
  if is_first then call('LREM', held, 1, next_id) end
  local why = (not following[1] or following[1] == 'cancelled') and '' or ' released'
  if call('ZSCORE', WORKERS, worker) then
    call('HSET', WORKER .. worker, 'stop', next_id .. ' ' .. next_attempt .. why)
    call('INCR', STOPS)
  end
end
