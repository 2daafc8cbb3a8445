-- Acts on a slice of the jobs of an operation and records its progress with it, so that none is acted on or counted twice.
--   takes:   [5] id   [6] who works on it   [7] lease, microseconds   [8] creation and [9] id of the last job walked
--            before the slice   [10] creation and [11] id of the last one of the slice   [12] 1 if there are more
--            [13] jobs walked   [14] jobs to walk in all   [15] jobs that match   [16] of these, done before
--            [17] cancel | delete, '' for nothing   [18] status that a job must have, '' for any
--            [19...] ids of jobs to act on; the others that match are skipped
--   checks:  it is held, and at the beginning of the slice; it does not act for an operation that has ended
--   answers: <its record, names and values; none if it does not exist>
-- include: common
-- include: integer
-- include: finalize
-- include: cancel_job
-- include: delete_job
-- include: finish_operation
local id, key, action, wanted = ARGV[5], 'operation.' .. ARGV[5], ARGV[17], ARGV[18]

local function act_on(job)
  if action == 'cancel' then return not cancel_job(job, wanted) end
  local kept = call('HMGET', 'job.' .. job, 'status', 'ended')
  if not kept[2] or (wanted ~= '' and wanted ~= kept[1]) then return false end
  delete_job(job)
  return true
end

select_db(RECORDS)
local record = call('HMGET', key, 'holder', 'seen_created', 'seen_id', 'status')
if record[1] ~= ARGV[6] or record[2] ~= ARGV[8] or record[3] ~= ARGV[9] then
  return answer(unpack(call('HGETALL', key)))
end
-- At maxmemory the first write must be one that frees.
call('ZREM', 'operations', id)
local runs, done = record[4] == 'in progress', tonumber(ARGV[16])
if runs then
  for at = 19, #ARGV do
    if act_on(ARGV[at]) then done = done + 1 end
  end
  select_db(RECORDS)
end
if runs or action == '' then
  call('HSET', key, 'seen_created', ARGV[10], 'seen_id', ARGV[11], 'total', ARGV[14])
  call('HINCRBY', key, 'walked', ARGV[13])
  call('HINCRBY', key, 'matched', ARGV[15])
  call('HINCRBY', key, 'done', done)
  call('HINCRBY', key, 'skipped', ARGV[15] - done)
end
if runs and ARGV[12] == '1' then
  call('ZADD', 'operations', integer(now_us + ARGV[7]), id)
elseif runs then
  finish_operation(id, 'complete', '')
end
return answer(unpack(call('HGETALL', key)))
