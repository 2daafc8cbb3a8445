-- Gives one job back for the worker and the attempt that hold it; the worker stays.
--   takes:   [5] worker   [6] id   [7] attempt   [8] why (see includes/give_back.lua)   [9] error, JSON or ''
--            [10] jitter, 0 to 1   [11] log
--   answers: <the job's status now>   |   refused
-- include: prelude
-- include: integer
-- include: enqueue
-- include: settle
-- include: give_back
local worker, id, attempt = ARGV[5], ARGV[6], ARGV[7]

use(RECORDS)
local record = call('HMGET', 'job.' .. id, 'status', 'worker', 'attempt')
if record[1] ~= 'in progress' or record[2] ~= worker or record[3] ~= attempt then return answer('refused') end

give_back(id, worker, ARGV[8], ARGV[9], tonumber(ARGV[10]))
use(RECORDS)
if ARGV[11] ~= '' then call('HSET', 'log.' .. id, attempt, ARGV[11]) end
return answer(call('HGET', 'job.' .. id, 'status'))
