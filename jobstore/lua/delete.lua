-- Removes one ended job with its results, its log and its index entries.
--   takes:   [5] id
--   answers: deleted | unknown | unfinished
-- include: prelude
-- include: forget
use(RECORDS)
if call('EXISTS', 'job.' .. ARGV[5]) == 0 then return answer('unknown') end
if not call('ZSCORE', 'jobs.ended', ARGV[5]) then return answer('unfinished') end
forget(ARGV[5])
return answer('deleted')
