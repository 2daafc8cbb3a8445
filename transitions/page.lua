-- Reads one page of jobs, with their records, as they all are at one moment. Writes nothing.
--   takes:   [5] index, [6] second index or '' (a job must be in both)   [7] least and [8] greatest creation, exclusive,
--            '' for none   [9] asc | desc   [10] creation and [11] id of the last job seen, '' for none   [12] limit
--   answers: <total> <records, flat name and value each> <1 where more follow>
-- include: prelude
-- include: integer
-- include: page_ids
local least, greatest = tonumber(ARGV[7]), tonumber(ARGV[8])
local ascending, seen_created, seen_id, limit = ARGV[9] == 'asc', tonumber(ARGV[10]), ARGV[11], tonumber(ARGV[12])

local function follows(created, id)
  if not seen_created then return true end
  if id == seen_id then return false end
  if created ~= seen_created then return ascending == (created > seen_created) end
  return ascending == (id > seen_id)
end

local total, found = 0, nil
if ARGV[6] == '' and ARGV[5] ~= 'jobs.in progress' then
  total = count_index(ARGV[5], least, greatest)
  found = slice_index(ARGV[5], least, greatest, ascending, seen_created, limit)
else
  found = all_in_both(ARGV[5], ARGV[6], least, greatest, ascending)
  total = #found
end

use(RECORDS)
local records = {}
for _, entry in ipairs(found) do
  if follows(entry[1], entry[2]) then
    if #records == limit then return answer(total, records, 1) end
    records[#records + 1] = call('HGETALL', 'job.' .. entry[2])
  end
end
return answer(total, records, 0)
