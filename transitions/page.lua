-- Reads one page of jobs, with their records, as they all are at one moment. Writes nothing.
--   takes:   [5] index, [6] second index or '' (a job must be in both)   [7] least and [8] greatest score, as ZRANGEBYSCORE
--            takes them   [9] asc | desc   [10] score and [11] id of the last job seen, '' for none   [12] limit
--   answers: <total between the scores> <records, flat name and value each> <1 where more follow>
-- include: prelude
local first, second, least, greatest = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local ascending, seen_score, seen_id, limit = ARGV[9] == 'asc', ARGV[10], ARGV[11], tonumber(ARGV[12])

local function range(from, to, count)
  if ascending then
    return call('ZRANGEBYSCORE', first, from, to, 'LIMIT', 0, count)
  end
  return call('ZREVRANGEBYSCORE', first, to, from, 'LIMIT', 0, count)
end

local function after_cursor(id)
  if seen_score == '' then return true end
  local score = tonumber(call('ZSCORE', first, id))
  if score ~= tonumber(seen_score) then return true end
  return ascending and id > seen_id or not ascending and id < seen_id
end

local function in_second(id)
  return second == '' or call('ZSCORE', second, id)
end

use(RECORDS)
local from, to, total = least, greatest, 0
if second ~= '' then
  for _, id in ipairs(call('ZRANGEBYSCORE', first, least, greatest)) do
    if in_second(id) then total = total + 1 end
  end
else
  total = call('ZCOUNT', first, least, greatest)
end
if seen_score ~= '' then
  if ascending then from = seen_score else to = seen_score end
end
local records = {}
local count = second ~= '' and -1 or limit + 1 + (seen_score ~= '' and call('ZCOUNT', first, seen_score, seen_score) or 0)
for _, id in ipairs(range(from, to, count)) do
  if after_cursor(id) and in_second(id) then
    if #records == limit then return answer(total, records, 1) end
    records[#records + 1] = call('HGETALL', 'job.' .. id)
  end
end
return answer(total, records, 0)
