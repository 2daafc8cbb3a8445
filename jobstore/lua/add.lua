-- Stores and queues a few new jobs, all or none; accept.lua takes many.
--   takes:   [5] version that they were validated against, '' for none   [6] idempotency hash, '' for none
--            [7] fingerprint of the body   [8] seconds that the idempotency key lives   [9] unfinished jobs at most
--            [10] words of a job   [11...] for each job its words (includes/store.lua)
--   answers: added <created of the first, in microseconds; each next one is 1 later>
--            replay <fingerprint> <ids> <bulk or ''>    the idempotency key was there
--            there                         one of the ids is: these very jobs were added before
--            moved                         the dataset's current version is another
--            full <how many>               with these there would be too many unfinished jobs
-- include: prelude
-- include: integer
-- include: enqueue
-- include: accept
-- include: store
local version, width, ids, pinned = ARGV[5], tonumber(ARGV[10]), {}, 0

use(RECORDS)
local replay = find_by_idempotency_key(ARGV[6])
if replay then return replay end
for at = 11, #ARGV, width do
  ids[#ids + 1] = ARGV[at]
  if call('EXISTS', 'job.' .. ARGV[at]) == 1 then return answer('there') end
  if ARGV[at + 5] ~= '' then pinned = pinned + 1 end
end
local refusal = refusal_of(version, #ids, ARGV[9])
if refusal then return refusal end

note_accepted(version, pinned, ARGV[6], ARGV[7], ARGV[8], table.concat(ids, ' '), #ids)
store(ARGV, 11, width, tonumber(NOW), NOW)
return answer('added', NOW)
