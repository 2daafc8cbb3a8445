-- Completes a job and starts the next one in a single call: the one that the worker names, which it has reserved, or any.
-- A worker that has just completed a job is registered and holds none.
--   takes:   as finish.lua up to [9]   [10] most jobs to reserve   [11] id and [12] attempt of the job to start, '' for any
--            [13...] name and value of each further field of the results
--   checks:  as finish.lua; the named job is the first that the worker has reserved, and is submitted
--   answers: <answer of finish.lua>, then where no job is named:
--            job <the job, then those that are reserved: includes/reserve.lua>
--            none      no job waits
--            again     call claim.lua
--            or where one is:
--            started <jobs that are reserved from now on>
--            void      the job must not run: it was cancelled, or queued again. Call claim.lua
-- include: common
local worker, id, attempt, want = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[10])
local next_id, next_attempt = ARGV[11], ARGV[12]
local held, reserved = WAITING .. ':' .. worker, WAITING .. ':' .. worker .. '.reserved'
local claimed, all_reserved, fields_at, begun, is_first = {}, next_id == '', 13, nil, nil
-- include: check_ownership
if refusal and all_reserved then return answer(refusal, 'again') end
select_db(QUEUE)
-- At maxmemory the first write must be one that frees.
local other = call('LPOP', held)
if other and (refusal or other ~= id) then
  call('LPUSH', held, other)
else
  other = nil
end
if not refusal then
  call('HINCRBY', WAITING .. '.totals', 'complete ' .. (record[7] or ''), 1)
end
if all_reserved then
-- include: pop_next
else
  local moved = not other and call('LMOVE', reserved, held, 'LEFT', 'RIGHT')
  is_first = moved == next_id
  if moved and not is_first then call('LMOVE', held, reserved, 'RIGHT', 'LEFT') end
end
if not refusal then
-- include: complete
end

if not all_reserved then
-- include: start_reserved
elseif not next_id then
  select_db(QUEUE)
  call('DEL', WAKE)
  return answer('complete', 'none')
else
-- include: start_next
  if not started then
    select_db(QUEUE)
    call('DEL', held)
    return answer('complete', 'again')
  end
  begun, claimed[1] = 'job', job
end
if begun ~= 'void' then
-- include: reserve
end
return answer(refusal or 'complete', begun, claimed)
