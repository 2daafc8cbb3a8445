-- Counts the unfinished jobs that hold one version of the dataset, and reads its pins at the same moment, without those
-- of versions that are derived from it. Writes nothing.
--   takes:   [1] database of the connection   [2] of the records   [3] of the queue   [4] key of the queue
--            [5] version   [6] how many unfinished jobs are counted at most: each takes a microsecond of everybody's
--   answers: <pins> <unfinished jobs that hold it, or -1 where there are too many jobs>
local HOME, RECORDS, QUEUE, WAITING, VERSION, MOST = unpack(ARGV, 1, 6)
local WORKERS = WAITING == 'hotqueue:queue' and 'workers' or WAITING .. '.workers'
local call = redis.call
local database, ids, count = HOME, {}, 0

local function select_db(wanted)
  if wanted ~= database then call('SELECT', wanted) end
  database = wanted
end

select_db(RECORDS)
local fields = call('HMGET', 'data.' .. VERSION, 'pins', 'derived')
local pins = tonumber(fields[1] or 0) - tonumber(fields[2] or 0)
-- An accepted bulk holds its pins before its jobs are stored.
local many = call('ZCARD', 'jobs.submitted') + call('ZCARD', 'jobs.scheduled') > tonumber(MOST)
if many or call('ZCARD', 'bulks') > 0 then
  select_db(HOME)
  return {pins, -1}
end
select_db(QUEUE)
for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
  for _, id in ipairs(call('LRANGE', WAITING .. ':' .. worker, 0, 0)) do ids[#ids + 1] = id end
end
select_db(RECORDS)
for _, status in ipairs({'submitted', 'scheduled'}) do
  for _, id in ipairs(call('ZRANGE', 'jobs.' .. status, 0, -1)) do ids[#ids + 1] = id end
end
for _, id in ipairs(ids) do
  if call('HGET', 'job.' .. id, 'dataset') == VERSION then count = count + 1 end
end
select_db(HOME)
return {pins, count}
