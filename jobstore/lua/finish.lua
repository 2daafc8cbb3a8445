-- Completes a job with its results.
--   takes:   [5] worker   [6] id   [7] attempt   [8] results document, JSON   [9] log
--            [10...] name and value of each further field of the results (jobstore/results.py)
--            or [8] packed results, which a record holds, and [10...] fields that the record loses for that
--   checks:  the worker holds the job in this attempt
--   answers: complete    also when this call was received before
--            refused     the worker does not hold the job, or holds it in another attempt
-- include: common
local worker, id, attempt, fields_at = ARGV[5], ARGV[6], ARGV[7], 10
-- include: check_ownership
if refusal then return answer(refusal) end
select_db(QUEUE)
call('LREM', WAITING .. ':' .. worker, 1, id)
call('HINCRBY', WAITING .. '.totals', 'complete ' .. (record[7] or ''), 1)
-- include: complete
return answer('complete')
