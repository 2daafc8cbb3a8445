-- Walks a stretch of the smallest of some indexes and finds the jobs that are in all of them, as of one moment. Writes
-- nothing.
--   takes:   [5] least and [6] greatest creation, exclusive, '' for none   [7] asc | desc   [8] creation and [9] id of
--            the last job walked, '' for none   [10] jobs to walk   [11] fields of each job to read, separated by blanks;
--            no more are walked after a mebibyte of them   [12...] indexes; `jobs.in progress` only as the first
--   answers: <jobs in the range of the index walked> <creation, id and fields of each job that is in all>
--            <creation of the last one walked> <its id> <1 if there are more> <jobs walked>
-- include: common
-- include: integer
-- include: page_ids
local MOST_BYTES = 2 ^ 20
local least, greatest, ascending = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == 'asc'
local seen, limit = tonumber(ARGV[8]), tonumber(ARGV[10])
local fields = {}
for name in string.gmatch(ARGV[11], '%S+') do fields[#fields + 1] = name end

local walked, total, found = 12, nil, nil
if ARGV[12] == 'jobs.in progress' then
  found = held_entries(least, greatest, ascending)
  total = #found
else
  for at = 12, #ARGV do
    local count = count_index(ARGV[at], least, greatest)
    if not total or count < total then walked, total = at, count end
  end
  found = slice_index(ARGV[walked], least, greatest, ascending, seen, limit)
end
local entries, more = entries_after(found, ascending, seen, ARGV[9], limit)
if #entries == 0 then return answer(total, {}, '', '', 0, 0) end

select_db(RECORDS)
local ids, missing = {}, {}
for n, entry in ipairs(entries) do ids[n] = entry[2] end
for at = 12, #ARGV do
  if at ~= walked then
    for n, score in ipairs(call('ZMSCORE', ARGV[at], unpack(ids))) do
      if not score then missing[n] = true end
    end
  end
end
local flat, bytes, last = {}, 0, #entries
for n, entry in ipairs(entries) do
  if not missing[n] then
    flat[#flat + 1] = integer(entry[1])
    flat[#flat + 1] = ids[n]
    if #fields > 0 then
      for _, value in ipairs(call('HMGET', 'job.' .. ids[n], unpack(fields))) do
        flat[#flat + 1] = value
        bytes = bytes + (value and #value or 0)
      end
      if bytes > MOST_BYTES and n < last then
        last, more = n, 1
        break
      end
    end
  end
end
return answer(total, flat, integer(entries[last][1]), ids[last], more, last)
