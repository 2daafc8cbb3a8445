-- Counts jobs and workers. Writes nothing.
--   takes:   [5...] the statuses
--   answers: stats <name and value of: waiting (high, normal, low, total), jobs (of each status), oldest (microseconds
--            that the oldest waits, or ''), workers (registered), ended (within the last minute), runnable (jobs that
--            need a worker now)>
-- include: common
-- include: integer
-- include: enqueue
-- include: read_rate
local COUNTED = 4000
local BULKS = 100

-- The lists also contain ids that a claim drops: of cancelled jobs, and those pushed by hand. If there are any, the two
-- shortest lists are searched, as far as that is quick; the rest of the index is counted for the third.
local function count_waiting(submitted)
  select_db(QUEUE)
  local order, lengths, held = {'high', 'normal', 'low'}, {}, 0
  for _, priority in ipairs(order) do
    lengths[priority] = call('LLEN', WAITING .. SUFFIX[priority])
    held = held + lengths[priority]
  end
  if held ~= submitted then
    table.sort(order, function(a, b) return lengths[a] < lengths[b] end)
    local left, looked = submitted, 0
    for n, priority in ipairs(order) do
      local length = lengths[priority]
      looked = looked + length
      if n < 3 and length > 0 and looked <= COUNTED then
        select_db(QUEUE)
        local ids = call('LRANGE', WAITING .. SUFFIX[priority], 0, -1)
        select_db(RECORDS)
        length = 0
        for _, score in ipairs(call('ZMSCORE', 'jobs.submitted', unpack(ids))) do
          if score then length = length + 1 end
        end
      end
      lengths[priority] = n < 3 and math.min(length, left) or left
      left = left - lengths[priority]
    end
  end
  return {lengths.high, lengths.normal, lengths.low, submitted}
end

-- Counts what the workers have reserved, by priority and in all, as far as that is quick.
local function count_reserved()
  local counts, total, looked = {high = 0, normal = 0, low = 0}, 0, 0
  select_db(QUEUE)
  for _, worker in ipairs(call('SMEMBERS', RESERVING)) do
    select_db(QUEUE)
    local ids = call('LRANGE', WAITING .. ':' .. worker .. '.reserved', 0, -1)
    looked = looked + #ids
    if looked > COUNTED then break end
    select_db(RECORDS)
    for _, id in ipairs(ids) do
      local job = call('HMGET', 'job.' .. id, 'status', 'priority')
      if job[1] == 'submitted' then
        local priority = SUFFIX[job[2]] and job[2] or 'normal'
        counts[priority], total = counts[priority] + 1, total + 1
      end
    end
  end
  return counts, total
end

-- Counts the unfinished jobs without those that are not due yet: it needs no worker and no list of the queue, so it is right
-- while none runs. Jobs of accepted bulks are not stored yet.
local function count_runnable()
  select_db(RECORDS)
  local runnable = call('ZCARD', 'jobs') - call('ZCARD', 'jobs.scheduled') + call('ZCOUNT', 'jobs.due', '-inf', now_us)
  for _, bulk in ipairs(call('ZRANGE', 'bulks', 0, BULKS - 1)) do
    runnable = runnable + (call('HGET', 'bulk.' .. bulk, 'left') or 0)
  end
  return math.max(runnable, 0)
end

select_db(QUEUE)
local workers = call('ZCOUNT', WORKERS, '(' .. now_us, '+inf')
local held = 0
for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
  held = held + call('LLEN', WAITING .. ':' .. worker)
end
select_db(RECORDS)
local counts = {}
for at = 5, #ARGV do
  counts[#counts + 1] = ARGV[at] == 'in progress' and held or call('ZCARD', 'jobs.' .. ARGV[at])
end
local oldest = call('ZRANGE', 'jobs.submitted', 0, 0, 'WITHSCORES')[2]
local minute, second = math.floor(clock[1] / 60), clock[1] % 60
-- Workers of older releases note ends in an index.
local ended = call('ZCOUNT', 'jobs.ended', integer(now_us - 60000000), '+inf')
local submitted = call('ZCARD', 'jobs.submitted')
local reserved, reserved_total = count_reserved()
local waiting = count_waiting(submitted - reserved_total)
for n, priority in ipairs({'high', 'normal', 'low'}) do waiting[n] = waiting[n] + reserved[priority] end
waiting[4] = submitted
ended = ended + read_rate(minute - 1, second) + read_rate(minute, -1)
local waits = oldest and integer(now_us - oldest) or ''
return answer('stats', 'waiting', waiting, 'jobs', counts, 'oldest', waits, 'workers', workers, 'ended', ended,
  'runnable', count_runnable())
