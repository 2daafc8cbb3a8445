-- Queues ids at the tail by hand, as HotQueue's put does: each once, however often it is put, and only those whose jobs
-- wait for a worker. It takes as long as the lists are: some milliseconds for each id where a million wait.
--   takes:   [5...] ids
--   answers: put
-- include: prelude
-- include: enqueue
for at = 5, #ARGV do
  use(RECORDS)
  local job = call('HMGET', 'job.' .. ARGV[at], 'status', 'priority', 'created')
  if job[1] == 'submitted' then
    use(QUEUE)
    for _, suffix in pairs(SUFFIX) do
      call('LREM', WAITING .. suffix, 0, ARGV[at])
    end
    enqueue({{ARGV[at], job[2], job[3]}}, false)
  end
end
return answer('put')
