-- Reads jobs atomically from both databases. Never writes.
--   takes:   [1] database of the connection   [2] of the records   [3] of the queue   [4] key of the queue
--            [5] 1: search the queues and all workers' lists as well, in time proportional to their length
--            then for each job: id, and an index that it was found in, '' for none
--   answers: for each job the fields of Job in reader.py; at least one job, and as many as fit into 4 MiB of results
local HOME, RECORDS, QUEUE, WAITING, DEEP = unpack(ARGV, 1, 5)
local MOST_BYTES = 4 * 2 ^ 20
local INDEXES = {'jobs', 'jobs.scheduled', 'jobs.submitted', 'jobs.complete', 'jobs.failed', 'jobs.cancelled'}
local WORKERS = WAITING == 'hotqueue:queue' and 'workers' or WAITING .. '.workers'
local call = redis.call
local database, bytes = HOME, 0

local function select_db(wanted)
  if wanted ~= database then call('SELECT', wanted) end
  database = wanted
end

local function count_queued(id)
  local count = 0
  for _, suffix in ipairs({'.high', '', '.low'}) do
    count = count + #call('LPOS', WAITING .. suffix, id, 'COUNT', 0)
  end
  for _, worker in ipairs(call('SMEMBERS', WAITING .. '.reserving')) do
    count = count + #call('LPOS', WAITING .. ':' .. worker .. '.reserved', id, 'COUNT', 0)
  end
  return count
end

local function count_holders(id)
  local count = 0
  for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
    if call('LPOS', WAITING .. ':' .. worker, id) then count = count + 1 end
  end
  return count
end

-- A document names its attempt once; an analysis' parameters before it may do so too, which is looked at elsewhere, as are
-- documents of more than a mebibyte in one field, which older releases wrote.
local function attempt_of_results(id)
  local results = 'results.' .. id
  local document = call('HGET', results, 'about')
  if not document then
    if call('HSTRLEN', results, 'document') > 2 ^ 20 then return '' end
    document = call('HGET', results, 'document')
  end
  if not document then return '' end
  bytes = bytes + #document
  return string.match(document, '"attempt":%s*(%d+)') or ''
end

local function look(id, index)
  select_db(RECORDS)
  local key = 'job.' .. id
  local record = call('HMGET', key, 'status', 'id', 'created', 'analysis', 'priority', 'worker', 'attempt',
    'failed_attempts', 'max_attempts', 'dataset', 'ended', 'charged', 'owner')
  local scores = {}
  for n, name in ipairs(INDEXES) do scores[n] = call('ZSCORE', name, id) end
  local analysis = record[4] and call('ZSCORE', 'jobs.analysis.' .. record[4], id)
  local owner = record[13] or ''
  local owned, pending = call('ZSCORE', 'jobs.owner.' .. owner, id), call('ZSCORE', 'jobs.unfinished.' .. owner, id)
  local unmatched = index ~= '' and call('ZSCORE', index, id)
  local due, ended = call('ZSCORE', 'jobs.due', id), call('ZSCORE', 'jobs.ended', id)
  local packed = call('HEXISTS', key, 'results')
  local results, log = math.max(packed, call('EXISTS', 'results.' .. id)), call('EXISTS', 'log.' .. id)
  local computed = packed == 1 and record[7] or results == 1 and attempt_of_results(id) or ''
  local retained = DEEP == '1' and (call('LPOS', 'jobs.retention', id) and 1 or 0) or -1
  local kept = call('EXISTS', key)
  local loaded = record[10] and call('HEXISTS', 'data.' .. record[10], 'description')
  select_db(QUEUE)
  local lives = record[6] and call('ZSCORE', WORKERS, record[6])
  local holds = record[6] and call('LRANGE', WAITING .. ':' .. record[6], 0, 1) or {}
  local queued, holders = -1, -1
  if DEEP == '1' then queued, holders = count_queued(id), count_holders(id) end
  return {id, index, kept, record, scores, analysis, owned, pending, unmatched, due, ended, results, computed, log, loaded,
    lives, holds, queued, holders, retained}
end

local seen = {}
for at = 6, #ARGV, 2 do
  seen[#seen + 1] = look(ARGV[at], ARGV[at + 1])
  if bytes >= MOST_BYTES then break end
end
select_db(HOME)
return seen
