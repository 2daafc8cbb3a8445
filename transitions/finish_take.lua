-- Completes a job and gives the worker its next one: finish.lua, then take.lua, for the price of one. Who has just
-- finished is registered and holds nothing.
--   takes:   as finish.lua
--   answers: <answer of finish.lua> <answer of take.lua>
-- include: prelude
-- include: settle
-- include: finish_job
-- include: take_job
local worker, id, attempt = ARGV[5], ARGV[6], ARGV[7]
local record, refusal = held_record(worker, id, attempt)
if not record then return answer(refusal, take_job(worker)) end
let_go(worker, id)
local following = pop(worker)
complete(id, attempt, record, ARGV[8], ARGV[9])
return answer('complete', take_from(worker, following))
