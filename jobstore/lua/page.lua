-- Finds the jobs of one page of an index, as of one moment. Writes nothing.
--   takes:   [5] index   [6] second index or '', only if the first is `jobs.in progress`   [7] least and [8] greatest
--            creation, exclusive, '' for none   [9] asc | desc   [10] creation and [11] id of the last job seen, '' for
--            none   [12] limit
--   answers: <total> <creation and id of each> <1 if there are more>
-- include: common
-- include: integer
-- include: page_ids
local first, least, greatest = ARGV[5], tonumber(ARGV[7]), tonumber(ARGV[8])
local ascending, limit = ARGV[9] == 'asc', tonumber(ARGV[12])

local total, found
if first == 'jobs.in progress' then
  found = held_entries(ARGV[6], least, greatest, ascending)
  total = #found
else
  total = count_index(first, least, greatest)
  found = slice_index(first, least, greatest, ascending, tonumber(ARGV[10]), limit)
end
local entries, more = entries_after(found, ascending, tonumber(ARGV[10]), ARGV[11], limit)
local flat = {}
for _, entry in ipairs(entries) do
  flat[#flat + 1] = integer(entry[1])
  flat[#flat + 1] = entry[2]
end
return answer(total, flat, more)
