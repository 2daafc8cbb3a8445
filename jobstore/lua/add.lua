-- Stores and queues a few new jobs, all or none; accept.lua takes many.
--   takes:   [5] version that they were validated against, '' for none   [6] idempotency hash, '' for none
--            [7] fingerprint of the body   [8] seconds until the idempotency key expires   [9] most unfinished jobs
--            [10] owner, '' for none   [11] most unfinished jobs of the owner, 0 for no limit
--            [12] words of a job   [13] words of the fields that all jobs have in common
--            [14...] the fields in common, the words of each job (includes/store_jobs.lua)
--   checks:  the idempotency key is new, no id is stored, the version is current, there is room
--   answers: added <created of the first, in microseconds; each next one is 1 later>
--            replay <fingerprint> <ids> <bulk or ''>    the idempotency key exists
--            there                         an id exists: these jobs were added before
--            moved                         another version of the dataset is current
--            full <unfinished jobs>        with these there would be too many
--            quota <unfinished jobs of the owner>    with these it would have too many
-- include: common
-- include: integer
-- include: enqueue
-- include: accept_jobs
-- include: store_jobs
local version, width, first, ids, keys, pinned = ARGV[5], tonumber(ARGV[12]), 14 + ARGV[13], {}, {}, 0

select_db(RECORDS)
local replay = find_by_idempotency_key(ARGV[6])
if replay then return replay end
for at = first, #ARGV, width do
  ids[#ids + 1] = ARGV[at]
  keys[#keys + 1] = 'job.' .. ARGV[at]
  if ARGV[at + 5] ~= '' then pinned = pinned + 1 end
end
if call('EXISTS', unpack(keys)) > 0 then return answer('there') end
local refusal = check_acceptable(version, #ids, ARGV[9], ARGV[10], ARGV[11])
if refusal then return refusal end

record_acceptance(version, pinned, ARGV[6], ARGV[7], ARGV[8], table.concat(ids, ' '), #ids)
store_jobs(ARGV, 14, first, width, tonumber(now_us), now_us)
return answer('added', now_us)
