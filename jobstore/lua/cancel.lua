-- Cancels an unfinished job, and orders the worker that holds it to stop it.
--   takes:   [5] id
--   checks:  the job exists and has not ended
--   answers: cancelled (also for a cancelled job) | unknown | ended
-- include: common
-- include: finalize
-- include: cancel_job
return answer(cancel_job(ARGV[5], '') or 'cancelled')
