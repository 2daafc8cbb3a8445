-- Completes a job, with its results, for the worker and the attempt that hold it.
--   takes:   [5] worker   [6] id   [7] attempt   [8] results document, JSON   [9] log
--            then name and value of each further field of the results (jobstore/results.py)
--   answers: complete    also when this very call was heard before
--            refused     the job is not, or no longer, held by this worker in this attempt
-- include: prelude
local worker, id, attempt = ARGV[5], ARGV[6], ARGV[7]
-- include: held
if refusal then return answer(refusal) end
use(QUEUE)
call('LREM', WAITING .. ':' .. worker, 1, id)
-- include: complete
return answer('complete')
