-- Completes jobs that the worker has run one after the other, and starts the next one that it has reserved. One call for
-- many short jobs: those between the first and the last never were in progress here.
--   takes:   [5] worker   [6] most jobs to reserve   [7] id and [8] attempt of the job to start, '' for none
--            [9] a line for each job that has ended: id, attempt, the microseconds that it took, packed results
--   checks:  the worker holds each in this attempt, or has reserved it and it is submitted
--   answers: <id and attempt of each job that the worker neither holds nor has reserved or completed>, then
--            started <jobs that are reserved from now on: includes/reserve.lua>
--            void    the job must not run: it was cancelled, or queued again. Call claim.lua
--            none    <jobs> where none is to be started
-- include: common
local worker, want, next_id, next_attempt = ARGV[5], tonumber(ARGV[6]), ARGV[7], ARGV[8]
local held, reserved = WAITING .. ':' .. worker, WAITING .. ':' .. worker .. '.reserved'
local begun, is_first, claimed, all_reserved, refused = 'none', false, {}, false, {}
select_db(QUEUE)
local holding, reserved_ids = call('LINDEX', held, 0), call('LRANGE', reserved, 0, -1)
select_db(RECORDS)
local ended, ids, submitted, scores, taken, totals = {}, {}, {}, {}, 0, {}
for id, attempt, took, packed in string.gmatch(ARGV[9], '(%S+) (%d+) (%d+) ([^\n]*)\n') do
  local record = call('HMGET', 'job.' .. id, 'status', 'worker', 'attempt', 'created', 'dataset', 'owner', 'analysis',
    'start', 'end', 'params')
  local is_its_own = record[2] == worker and record[3] == attempt
  if id == reserved_ids[taken + 1] and record[1] == 'submitted' and attempt == string.format('%d', (record[3] or 0) + 1) then
    taken = taken + 1
    submitted[#submitted + 1] = id
  elseif is_its_own and record[1] == 'in progress' and id == holding then
    holding, took = false, false
  else
    if not (is_its_own and record[1] == 'complete') then refused[#refused + 1] = id .. ' ' .. attempt end
    if id == reserved_ids[taken + 1] and record[1] ~= 'submitted' then taken = taken + 1 end -- it was cancelled
    record = nil
  end
  if record then
    ids[#ids + 1] = id
    ended[#ended + 1] = {record, attempt, took, packed}
    scores[#scores + 1], scores[#scores + 2] = record[4], id
    local name = 'complete ' .. (record[7] or '')
    totals[name] = (totals[name] or 0) + 1
  end
end

-- At maxmemory the first write must be one that frees.
if #submitted > 0 then call('ZREM', 'jobs.submitted', unpack(submitted)) end
if #ids > 0 then call('ZREM', 'jobs', unpack(ids)) end
select_db(QUEUE)
if holding == false then call('DEL', held) end
if taken > 0 then call('LTRIM', reserved, taken, -1) end
if next_id ~= '' and not holding then
  is_first = next_id == reserved_ids[taken + 1]
  if is_first then call('LMOVE', reserved, held, 'LEFT', 'RIGHT') end
end
if #ids > 0 then
  for name, count in pairs(totals) do call('HINCRBY', WAITING .. '.totals', name, count) end
  local rate = WAITING .. '.rate.' .. math.floor(clock[1] / 60)
  if call('HINCRBY', rate, clock[1] % 60, #ids) == #ids then call('EXPIRE', rate, 7200) end
  select_db(RECORDS)
  call('ZADD', 'jobs.complete', unpack(scores))
  call('RPUSH', 'jobs.retention', unpack(ids))
end
for at, job in ipairs(ended) do
  local record, attempt, took, packed = unpack(job)
  local key, version, drop = 'job.' .. ids[at], record[5], {'id'}
  if record[8] == 'null' then drop[#drop + 1] = 'start' end
  if record[9] == 'null' then drop[#drop + 1] = 'end' end
  if record[10] == '{}' then drop[#drop + 1] = 'params' end
  call('HDEL', key, unpack(drop))
  if took then
    call('HSET', key, 'status', 'complete', 'worker', worker, 'attempt', attempt, 'started',
      string.format('%.0f', now_us - took), 'ended', now_us, 'results', packed)
  else
    call('HSET', key, 'status', 'complete', 'ended', now_us, 'results', packed)
  end
  call('PUBLISH', key, 'complete')
  if record[6] then call('ZREM', 'jobs.unfinished.' .. record[6], ids[at]) end
-- include: release_dataset
end

if next_id ~= '' then
-- include: start_reserved
end
if begun ~= 'void' then
-- include: reserve
end
return answer(refused, begun, claimed)
