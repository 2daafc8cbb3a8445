-- Queues ids at the tail by hand, as HotQueue's put does: each once, and only ids of submitted jobs. It searches the
-- queues, which takes some milliseconds for each id where a million jobs wait.
--   takes:   [5...] ids
--   checks:  the job is submitted
--   answers: put
-- include: common
-- include: enqueue
for at = 5, #ARGV do
  select_db(RECORDS)
  local job = call('HMGET', 'job.' .. ARGV[at], 'status', 'priority', 'created')
  if job[1] == 'submitted' then
    select_db(QUEUE)
    for _, suffix in pairs(SUFFIX) do
      call('LREM', WAITING .. suffix, 0, ARGV[at])
    end
    for _, worker in ipairs(call('SMEMBERS', RESERVING)) do
      call('LREM', WAITING .. ':' .. worker .. '.reserved', 0, ARGV[at])
    end
    enqueue({{ARGV[at], job[2], job[3]}}, false)
  end
end
return answer('put')
