-- Deletes jobs whose retention is over, and moves those of older releases, whose ends are in `jobs.ended`, to where this
-- release keeps them.
--   takes:   [5] retention, microseconds   [6] most jobs
--   answers: purged <jobs deleted, moved, or found deleted, at most [6]>
-- include: common
-- include: integer
-- include: delete_job
local until_us, most, done = now_us - ARGV[5], tonumber(ARGV[6]), 0

local function purge_first()
  local id = call('LINDEX', 'jobs.retention', 0)
  if not id then return false end
  local ended = call('HGET', 'job.' .. id, 'ended')
  if ended and tonumber(ended) > until_us then return false end
  call('LPOP', 'jobs.retention')
  if ended then delete_job(id) end
  return true
end

-- The latest go first, each before those that ended later: the list stays in the order of the ends.
local function move_latest()
  local found = call('ZREVRANGE', 'jobs.ended', 0, most - 1, 'WITHSCORES')
  local first = call('LINDEX', 'jobs.retention', 0)
  local ended = first and tonumber(call('HGET', 'job.' .. first, 'ended') or 0) or math.huge
  for at = 1, #found, 2 do
    local id, score = found[at], tonumber(found[at + 1])
    call('ZREM', 'jobs.ended', id)
    call('ZREM', 'jobs', id)
    call(score < ended and 'LPUSH' or 'RPUSH', 'jobs.retention', id)
    local second, has_failed = math.floor(score / 1000000), call('HGET', 'job.' .. id, 'status') == 'failed'
    if clock[1] - second < 3600 then
      local rate = WAITING .. '.rate.' .. math.floor(second / 60)
      select_db(QUEUE)
      call('HINCRBY', rate, second % 60, 1)
      if has_failed then call('HINCRBY', rate, 'failed', 1) end
      call('EXPIRE', rate, 7200)
      select_db(RECORDS)
    end
  end
  return #found / 2
end

select_db(RECORDS)
for _, id in ipairs(call('ZRANGEBYSCORE', 'jobs.ended', '-inf', integer(until_us), 'LIMIT', 0, most)) do
  delete_job(id)
  done = done + 1
end
if done < most then done = math.max(done, move_latest()) end
while done < most and purge_first() do done = done + 1 end
return answer('purged', done)
