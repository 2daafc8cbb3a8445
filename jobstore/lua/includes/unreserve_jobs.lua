-- Queues the jobs that `worker` has reserved at the head of their queues, in their order, and returns their number. Where
-- it is lost, they may have run, with results that were not sent: their next attempt has a number of its own.
local function unreserve_jobs(worker, is_lost)
  select_db(QUEUE)
  local reserved = WAITING .. ':' .. worker .. '.reserved'
  local ids, entries = call('LRANGE', reserved, 0, -1), {}
  call('DEL', reserved)
  call('SREM', RESERVING, worker)
  select_db(RECORDS)
  for at = #ids, 1, -1 do
    local job = call('HMGET', 'job.' .. ids[at], 'status', 'priority', 'created')
    if job[1] == 'submitted' then
      entries[#entries + 1] = {ids[at], job[2], job[3]}
      if is_lost then call('HINCRBY', 'job.' .. ids[at], 'attempt', 1) end
    end
  end
  if #entries > 0 then enqueue(entries, true) end
  return #entries
end
