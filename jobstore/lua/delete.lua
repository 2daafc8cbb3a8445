-- Deletes an ended job with its results, its log and its index entries.
--   takes:   [5] id
--   checks:  the job exists and has ended
--   answers: deleted | unknown | unfinished
-- include: common
-- include: delete_job
select_db(RECORDS)
if call('EXISTS', 'job.' .. ARGV[5]) == 0 then return answer('unknown') end
if not call('ZSCORE', 'jobs.ended', ARGV[5]) then return answer('unfinished') end
delete_job(ARGV[5])
return answer('deleted')
