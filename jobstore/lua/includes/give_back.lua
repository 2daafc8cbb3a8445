-- The one way back of a job in progress: to the head of its queue, to wait out a back-off, or to its failure.
--   why: 'drain' (uncharged) | 'killed' | 'lost' (charged, head of its queue)
--        | 'error' | 'timeout' (charged, back-off) | 'invalid' (failed at once)
--        | 'unknown' (this worker does not know its analysis or parameters: back-off, uncharged; after ten minutes invalid)
--   failure: what the record's `error` becomes, JSON; '' for a drain.    jitter: 0 to 1
local PATIENCE = 600000000
local UNCHARGED = {drain = true, invalid = true, unknown = true}

local function back_off(charged, jitter)
  return math.min(600, 2 ^ (charged - 1) * (1 + jitter / 4))
end

local function give_back(id, worker, why, failure, jitter)
  use(RECORDS)
  local key = 'job.' .. id
  local job = call('HMGET', key, 'created', 'priority', 'charged', 'max_attempts', 'dataset')
  local created, priority, version = job[1], job[2], job[5]
  local charged = tonumber(job[3] or 0)
  local from = 'in progress'
  use(QUEUE)
  call('LREM', WAITING .. ':' .. worker, 1, id)
  use(RECORDS)
  call('HDEL', key, 'worker', 'progress', 'message')
  if not UNCHARGED[why] then
    charged = charged + 1
    call('HSET', key, 'charged', charged)
  end
  if failure ~= '' then
    call('HSET', key, 'error', failure)
  end
  if why == 'unknown' then
    call('HSETNX', key, 'unknown_since', NOW)
    if NOW - call('HGET', key, 'unknown_since') >= PATIENCE then why = 'invalid' end
  end
  if why == 'invalid' or charged >= tonumber(job[4] or 3) then
    settle(id, from, 'failed', created, version)
  elseif why == 'error' or why == 'timeout' or why == 'unknown' then
    move(id, from, 'scheduled', created)
    call('ZADD', 'jobs.due', integer(NOW + back_off(math.max(charged, 1), jitter) * 1000000), id)
  else
    move(id, from, 'submitted', created)
    enqueue({{id, priority, created}}, true)
  end
end
