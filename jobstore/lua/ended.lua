-- Counts the jobs that ended in each of some minutes of the clock. Writes nothing.
--   takes:   [5] first minute, 0 for the present one, 1 for the one before, …   [6] minutes   [7] jobs to look at in each
--   answers: ended <for each minute: its begin (microseconds), jobs that ended, jobs that failed, and of jobs that workers
--            of older releases ended: their number, jobs looked at, failed among those>
-- include: common
-- include: integer
-- include: read_rate
local present = math.floor(now_us / 60000000)
local counts = {'ended'}
for back = tonumber(ARGV[5]), ARGV[5] + ARGV[6] - 1 do
  select_db(RECORDS)
  local from, to = integer((present - back) * 60000000), '(' .. integer((present - back + 1) * 60000000)
  local total, failed = call('ZCOUNT', 'jobs.ended', from, to), 0
  local ids = total > 0 and call('ZREVRANGEBYSCORE', 'jobs.ended', to, from, 'LIMIT', 0, ARGV[7]) or {}
  if #ids > 0 then
    for _, score in ipairs(call('ZMSCORE', 'jobs.failed', unpack(ids))) do
      if score then failed = failed + 1 end
    end
  end
  local rated, rated_failed = read_rate(present - back, -1)
  counts[#counts + 1] = {from, rated, rated_failed, total, #ids, failed}
end
select_db(HOME)
return counts
