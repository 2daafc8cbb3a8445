-- A block: completes the job `id` that held.lua found held, and whose id was taken from its worker's list. It does what
-- `settle` does, in a straight line: every job pays for this, and functions are made anew in each call of a script.
use(RECORDS)
call('ZADD', 'jobs.complete', record[4], id)
call('HSET', key, 'status', 'complete', 'ended', NOW)
call('PUBLISH', key, 'complete')
call('ZADD', 'jobs.ended', NOW, id)
local version = record[5]
-- include: unpin
local results = 'results.' .. id
call('HSET', results, 'document', ARGV[8])
for at = 10, #ARGV, 2 do
  call('HSET', results, ARGV[at], ARGV[at + 1])
end
if ARGV[9] ~= '' then call('HSET', 'log.' .. id, attempt, ARGV[9]) end
