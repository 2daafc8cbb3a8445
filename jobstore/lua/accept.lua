-- Accepts a staged bulk of jobs, all or none; publish.lua stores and queues them, slice by slice.
--   takes:   [5] to [9] as add.lua   [10] bulk   [11] slices   [12] jobs   [13] jobs that read the dataset
--            [14] words of a job   [15] ids
--   answers: as add.lua, but for `there`; an accepted bulk is `added` again
--            gone    a slice is missing: it was not staged, has expired, or was published long ago
-- include: prelude
-- include: integer
-- include: accept
local bulk, slices, count = ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12])

use(RECORDS)
local replay = find_by_idempotency_key(ARGV[6])
if replay then return replay end
local accepted = call('ZSCORE', 'bulks', bulk)
if accepted then return answer('added', integer(accepted)) end
for n = 0, slices - 1 do
  if call('EXISTS', 'bulk.' .. bulk .. '.' .. n) == 0 then return answer('gone') end
end
local refusal = refusal_of(ARGV[5], count, ARGV[9])
if refusal then return refusal end

note_accepted(ARGV[5], tonumber(ARGV[13]), ARGV[6], ARGV[7], ARGV[8], ARGV[15], count, bulk)
for n = 0, slices - 1 do call('PERSIST', 'bulk.' .. bulk .. '.' .. n) end
call('HSET', 'bulk.' .. bulk, 'next', 0, 'slices', slices, 'left', count, 'width', ARGV[14])
call('ZADD', 'bulks', NOW, bulk)
return answer('added', NOW)
