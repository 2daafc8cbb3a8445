-- Walks a stretch of the smaller of two indexes and finds the jobs that are in both. Writes nothing.
--   takes:   as page.lua, with both indexes   [12] jobs to walk   [13] 1: list the jobs, 0: count them
--   answers: <jobs in both> <creation and id of each, where they are listed>
--            <creation of the last one walked> <its id> <1 if there are more>
-- include: common
-- include: integer
-- include: page_ids
local walked, other, least, greatest = ARGV[5], ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local ascending, limit = ARGV[9] == 'asc', tonumber(ARGV[12])

select_db(RECORDS)
if call('ZCARD', other) < call('ZCARD', walked) then walked, other = other, walked end
local found = slice_index(walked, least, greatest, ascending, tonumber(ARGV[10]), limit)
local entries, more = entries_after(found, ascending, tonumber(ARGV[10]), ARGV[11], limit)
if #entries == 0 then return answer(0, {}, '', '', 0) end
local ids, named, count = {}, {}, 0
for n, entry in ipairs(entries) do ids[n] = entry[2] end
for n, score in ipairs(call('ZMSCORE', other, unpack(ids))) do
  if score then
    count = count + 1
    if ARGV[13] == '1' then
      named[#named + 1] = integer(entries[n][1])
      named[#named + 1] = ids[n]
    end
  end
end
local last = entries[#entries]
return answer(count, named, integer(last[1]), last[2], more)
