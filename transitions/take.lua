-- Gives a worker its next job.
--   takes:   [5] worker   [6] 1 after a wake token may have been popped
--   answers: job <id> <attempt> <analysis> <start> <end> <params> <dataset>    what it holds already, else the first
--                      that waits
--            none      nothing waits
--            again     a hundred ids were dropped, whose jobs were cancelled or removed: call again
--            gone      the worker is not registered
-- include: prelude
-- include: enqueue
-- include: settle
-- include: take_job
local taken = {take_job(ARGV[5])}
if taken[1] == 'gone' and ARGV[6] == '1' then wake(1) end
return answer(unpack(taken))
