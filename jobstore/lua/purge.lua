-- Removes the jobs whose retention is over.
--   takes:   [5] retention, microseconds   [6] how many at most
--   answers: purged <how many>
-- include: prelude
-- include: integer
-- include: forget
use(RECORDS)
local ids = call('ZRANGEBYSCORE', 'jobs.ended', '-inf', integer(NOW - ARGV[5]), 'LIMIT', 0, ARGV[6])
for _, id in ipairs(ids) do
  forget(id)
end
return answer('purged', #ids)
