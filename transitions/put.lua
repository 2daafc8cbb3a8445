-- Queues ids at the tail by hand, as HotQueue's put does.
--   takes:   [5...] ids
--   answers: put
-- include: prelude
-- include: enqueue
local entries = {}
for at = 5, #ARGV do
  entries[#entries + 1] = {ARGV[at], 'normal'}
end
enqueue(entries, false)
return answer('put')
