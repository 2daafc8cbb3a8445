-- Reads how things stand. Writes nothing.
--   takes:   [5...] the statuses
--   answers: stats <jobs that wait: high, normal, low, in all> <jobs of each status>
--            <microseconds that the oldest waits, or ''> <live workers> <jobs ended within the last minute>
-- include: prelude
-- include: integer
-- include: enqueue
local COUNTED = 4000

-- The lists also hold ids to be dropped: of jobs that were cancelled, and what was pushed by hand. Where there are any,
-- the two shortest lists are looked through, as far as that is quick; what the index has beyond them is the third's.
local function count_waiting(submitted)
  use(QUEUE)
  local order, lengths, held = {'high', 'normal', 'low'}, {}, 0
  for _, priority in ipairs(order) do
    lengths[priority] = call('LLEN', WAITING .. SUFFIX[priority])
    held = held + lengths[priority]
  end
  if held ~= submitted then
    table.sort(order, function(a, b) return lengths[a] < lengths[b] end)
    local left, looked = submitted, 0
    for n, priority in ipairs(order) do
      local length = lengths[priority]
      looked = looked + length
      if n < 3 and length > 0 and looked <= COUNTED then
        use(QUEUE)
        local ids = call('LRANGE', WAITING .. SUFFIX[priority], 0, -1)
        use(RECORDS)
        length = 0
        for _, score in ipairs(call('ZMSCORE', 'jobs.submitted', unpack(ids))) do
          if score then length = length + 1 end
        end
      end
      lengths[priority] = n < 3 and math.min(length, left) or left
      left = left - lengths[priority]
    end
  end
  return {lengths.high, lengths.normal, lengths.low, submitted}
end

use(QUEUE)
local workers = call('ZCOUNT', WORKERS, '(' .. NOW, '+inf')
local held = 0
for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
  held = held + call('LLEN', WAITING .. ':' .. worker)
end
use(RECORDS)
local counts = {}
for at = 5, #ARGV do
  counts[#counts + 1] = ARGV[at] == 'in progress' and held or call('ZCARD', 'jobs.' .. ARGV[at])
end
local oldest = call('ZRANGE', 'jobs.submitted', 0, 0, 'WITHSCORES')[2]
local ended = call('ZCOUNT', 'jobs.ended', integer(NOW - 60000000), '+inf')
local waiting = count_waiting(call('ZCARD', 'jobs.submitted'))
return answer('stats', waiting, counts, oldest and integer(NOW - oldest) or '', workers, ended)
