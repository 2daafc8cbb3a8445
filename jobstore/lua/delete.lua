-- Deletes an ended job with its results, its log and its index entries.
--   takes:   [5] id
--   checks:  the job exists and has ended
--   answers: deleted | unknown | unfinished
-- include: common
-- include: delete_job
select_db(RECORDS)
if call('EXISTS', 'job.' .. ARGV[5]) == 0 then return answer('unknown') end
if call('HEXISTS', 'job.' .. ARGV[5], 'ended') == 0 then return answer('unfinished') end
delete_job(ARGV[5])
-- An id that stays behind is dropped when it is the first.
if call('LPOS', 'jobs.retention', ARGV[5], 'RANK', -1, 'MAXLEN', 1000) then call('LREM', 'jobs.retention', -1, ARGV[5]) end
return answer('deleted')
