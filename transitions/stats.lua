-- Reads how things stand. Writes nothing.
--   takes:   [5...] the statuses
--   answers: stats <lengths of high, normal, low> <jobs of each status> <microseconds that the oldest waits, or ''>
--            <live workers> <jobs ended within the last minute>
-- include: prelude
-- include: integer
use(QUEUE)
local waiting = {call('LLEN', WAITING .. '.high'), call('LLEN', WAITING), call('LLEN', WAITING .. '.low')}
local workers = call('ZCOUNT', 'workers', '(' .. NOW, '+inf')
local held = 0
for _, worker in ipairs(call('ZRANGE', 'workers', 0, -1)) do
  held = held + call('LLEN', WAITING .. ':' .. worker)
end
use(RECORDS)
local counts = {}
for at = 5, #ARGV do
  counts[#counts + 1] = ARGV[at] == 'in progress' and held or call('ZCARD', 'jobs.' .. ARGV[at])
end
local oldest = call('ZRANGE', 'jobs.submitted', 0, 0, 'WITHSCORES')[2]
local ended = call('ZCOUNT', 'jobs.ended', integer(NOW - 60000000), '+inf')
return answer('stats', waiting, counts, oldest and integer(NOW - oldest) or '', workers, ended)
