-- Completes a job and gives the worker its next one: finish.lua, then take.lua, for the price of one. Who has just
-- finished is registered and holds nothing.
--   takes:   as finish.lua
--   answers: <answer of finish.lua> <answer of take.lua>
-- include: prelude
-- include: settle
-- include: finish_job
-- include: take_job
local finished, fresh = finish_job(ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], 10)
if fresh then return answer(finished, take_next(ARGV[5])) end
return answer(finished, take_job(ARGV[5]))
