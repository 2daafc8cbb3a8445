-- Completes a job and gives the worker its next one, for the price of one: finish.lua, then take.lua as far as that goes
-- in a straight line. Who has just finished is registered and holds nothing.
--   takes:   as finish.lua
--   answers: <answer of finish.lua> job <id> <attempt> <analysis> <start> <end> <params> <dataset>
--            <answer of finish.lua> none     nothing waits
--            <answer of finish.lua> again    call take.lua
-- include: prelude
local worker, id, attempt = ARGV[5], ARGV[6], ARGV[7]
-- include: held
if refusal then return answer(refusal, 'again') end
use(QUEUE)
call('LREM', WAITING .. ':' .. worker, 1, id)
-- include: pop
-- include: complete
if not following then
  use(QUEUE)
  call('DEL', WAKE)
  return answer('complete', 'none')
end
-- include: start
if not started then
  use(QUEUE)
  call('DEL', held)
  return answer('complete', 'again')
end
return answer('complete', 'job', following, started, job[4], job[5], job[6], job[7], job[8] or '')
