-- Stores and queues the next slice of an accepted bulk.
--   takes:   [5] bulk, '' for the oldest
--   checks:  the bulk is accepted and not published
--   answers: published <jobs> <jobs of this bulk that remain>
-- include: common
-- include: integer
-- include: enqueue
-- include: store_jobs
select_db(RECORDS)
local bulk = ARGV[5] ~= '' and ARGV[5] or call('ZRANGE', 'bulks', 0, 0)[1]
local accepted = bulk and call('ZSCORE', 'bulks', bulk)
if not accepted then return answer('published', 0, 0) end

local key = 'bulk.' .. bulk
local about = call('HMGET', key, 'next', 'slices', 'left', 'words', 'common', 'width')
-- A bulk of a former release has a `width` and no fields in common. Its script fails without `width`, before it writes.
local slice, width, first = key .. '.' .. about[1], tonumber(about[4] or about[6]), 2 + (about[5] or 0)
local words = call('LRANGE', slice, 0, -1)
local count = (#words - first + 1) / width
-- At maxmemory the first write must be one that frees.
call('UNLINK', slice)
if tonumber(about[1]) + 1 == tonumber(about[2]) then
  call('ZREM', 'bulks', bulk)
  call('UNLINK', key)
else
  call('HSET', key, 'next', about[1] + 1, 'left', about[3] - count)
end
store_jobs(words, 2, first, width, accepted + words[1], accepted)
return answer('published', count, about[3] - count)
