-- Completes a job and claims the next one in a single call: finish.lua, then the straight path of claim.lua. A worker
-- that has just completed a job is registered and holds none.
--   takes:   as finish.lua
--   checks:  as finish.lua
--   answers: <answer of finish.lua> job <fields of the job, as claim.lua>
--            <answer of finish.lua> none     no job waits
--            <answer of finish.lua> again    call claim.lua
-- include: common
local worker, id, attempt = ARGV[5], ARGV[6], ARGV[7]
-- include: check_ownership
if refusal then return answer(refusal, 'again') end
select_db(QUEUE)
call('LREM', WAITING .. ':' .. worker, 1, id)
call('HINCRBY', WAITING .. '.totals', 'complete ' .. (record[7] or ''), 1)
-- include: pop_next
-- include: complete
if not next_id then
  select_db(QUEUE)
  call('DEL', WAKE)
  return answer('complete', 'none')
end
-- include: start_next
if not started then
  select_db(QUEUE)
  call('DEL', held)
  return answer('complete', 'again')
end
return answer('complete', 'job', 'id', next_id, 'attempt', started, 'analysis', job[4], 'start', job[5], 'end', job[6],
  'params', job[7], 'dataset', job[8] or '', 'selection', job[9] or '',
    'waited', now_us - (job[10] or job[2]), 'request_id', job[11] or '')
