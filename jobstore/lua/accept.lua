-- Accepts a staged bulk of jobs, all or none; publish.lua stores and queues them, slice by slice.
--   takes:   [5] to [11] as add.lua   [12] bulk   [13] slices   [14] jobs   [15] jobs that read the dataset
--            [16] words of a job   [17] words of the fields in common   [18] ids
--   checks:  as add.lua; all slices are staged
--   answers: as add.lua, without `there`; `added` again for an accepted bulk
--            gone    a slice is missing: not staged, expired, or published long ago
-- include: common
-- include: integer
-- include: accept_jobs
local bulk, slices, count = ARGV[12], tonumber(ARGV[13]), tonumber(ARGV[14])

select_db(RECORDS)
local replay = find_by_idempotency_key(ARGV[6])
if replay then return replay end
local accepted = call('ZSCORE', 'bulks', bulk)
if accepted then return answer('added', integer(accepted)) end
for n = 0, slices - 1 do
  if call('EXISTS', 'bulk.' .. bulk .. '.' .. n) == 0 then return answer('gone') end
end
local refusal = check_acceptable(ARGV[5], count, ARGV[9], ARGV[10], ARGV[11])
if refusal then return refusal end

record_acceptance(ARGV[5], tonumber(ARGV[15]), ARGV[6], ARGV[7], ARGV[8], ARGV[18], count, bulk)
for n = 0, slices - 1 do call('PERSIST', 'bulk.' .. bulk .. '.' .. n) end
call('HSET', 'bulk.' .. bulk, 'next', 0, 'slices', slices, 'left', count, 'words', ARGV[16],
  'common', ARGV[17], 'owner', ARGV[10])
call('ZADD', 'bulks', now_us, bulk)
return answer('added', now_us)
