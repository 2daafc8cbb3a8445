-- Accepts a staged bulk of jobs, all or none; publish.lua stores and queues them, slice by slice.
--   takes:   [5] to [9] as add.lua   [10] bulk   [11] slices   [12] jobs   [13] jobs that read the dataset
--            [14] fields of a job   [15] ids
--   checks:  as add.lua; all slices are staged
--   answers: as add.lua, without `there`; `added` again for an accepted bulk
--            gone    a slice is missing: not staged, expired, or published long ago
-- include: common
-- include: integer
-- include: accept_jobs
local bulk, slices, count = ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12])

select_db(RECORDS)
local replay = find_by_idempotency_key(ARGV[6])
if replay then return replay end
local accepted = call('ZSCORE', 'bulks', bulk)
if accepted then return answer('added', integer(accepted)) end
for n = 0, slices - 1 do
  if call('EXISTS', 'bulk.' .. bulk .. '.' .. n) == 0 then return answer('gone') end
end
local refusal = check_acceptable(ARGV[5], count, ARGV[9])
if refusal then return refusal end

record_acceptance(ARGV[5], tonumber(ARGV[13]), ARGV[6], ARGV[7], ARGV[8], ARGV[15], count, bulk)
for n = 0, slices - 1 do call('PERSIST', 'bulk.' .. bulk .. '.' .. n) end
call('HSET', 'bulk.' .. bulk, 'next', 0, 'slices', slices, 'left', count, 'width', ARGV[14])
call('ZADD', 'bulks', now_us, bulk)
return answer('added', now_us)
