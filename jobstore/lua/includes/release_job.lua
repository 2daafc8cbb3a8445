-- Releases a job in progress: to the head of its queue, to a back-off, or to failure where no attempt is left.
--   takes:   id   worker   reason (ReleaseReason in model.py)   failure, the record's `error` as JSON, '' for none
--            jitter, 0 to 1
--   reasons: drain             no failed attempt, head of its queue
--            killed, lost      a failed attempt, head of its queue
--            error, timeout    a failed attempt, back-off
--            unknown           no failed attempt, back-off; after ten minutes as invalid
--            invalid           failed at once
local UNKNOWN_RETRY_US = 600000000
local ATTEMPTS_BYTES = 1000 -- about fifteen attempts
local NO_FAILED_ATTEMPT = {drain = true, invalid = true, unknown = true}

local function back_off(failed_attempts, jitter)
  return math.min(600, 2 ^ (failed_attempts - 1) * (1 + jitter / 4))
end

local function release_job(id, worker, reason, failure, jitter)
  select_db(RECORDS)
  local key = 'job.' .. id
  local job = call('HMGET', key, 'created', 'priority', 'failed_attempts', 'max_attempts', 'dataset', 'charged',
    'attempt', 'started', 'attempts')
  local created, priority, version = job[1], job[2], job[5]
  -- Workers of the previous release write `charged`.
  local failed_attempts = math.max(tonumber(job[3] or 0), tonumber(job[6] or 0))
  local from = 'in progress'
  select_db(QUEUE)
  call('LREM', WAITING .. ':' .. worker, 1, id)
  select_db(RECORDS)
  call('HDEL', key, 'worker', 'progress', 'message')
  local attempts = (job[9] or '') .. table.concat({job[7] or 0, job[8] or now_us, now_us, reason}, ' ') .. '\n'
  if #attempts > ATTEMPTS_BYTES then attempts = string.match(attempts, '\n(.*)') end
  call('HSET', key, 'attempts', attempts)
  if not NO_FAILED_ATTEMPT[reason] then
    failed_attempts = failed_attempts + 1
    call('HSET', key, 'failed_attempts', failed_attempts)
  end
  if failure ~= '' then
    call('HSET', key, 'error', failure)
  end
  if reason == 'unknown' then
    call('HSETNX', key, 'unknown_since', now_us)
    if now_us - call('HGET', key, 'unknown_since') >= UNKNOWN_RETRY_US then reason = 'invalid' end
  end
  if reason == 'invalid' or failed_attempts >= tonumber(job[4] or 3) then
    finalize(id, from, 'failed', created, version)
  elseif reason == 'error' or reason == 'timeout' or reason == 'unknown' then
    move(id, from, 'scheduled', created)
    count('retry', reason)
    call('ZADD', 'jobs.due', integer(now_us + back_off(math.max(failed_attempts, 1), jitter) * 1000000), id)
  else
    move(id, from, 'submitted', created, 'queued', now_us)
    count('retry', reason)
    enqueue({{id, priority, created}}, true)
  end
end
