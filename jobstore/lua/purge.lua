-- Deletes jobs whose retention is over.
--   takes:   [5] retention, microseconds   [6] most jobs
--   answers: purged <jobs>
-- include: common
-- include: integer
-- include: delete_job
select_db(RECORDS)
local ids = call('ZRANGEBYSCORE', 'jobs.ended', '-inf', integer(now_us - ARGV[5]), 'LIMIT', 0, ARGV[6])
for _, id in ipairs(ids) do
  delete_job(id)
end
return answer('purged', #ids)
