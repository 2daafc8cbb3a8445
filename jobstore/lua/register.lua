-- Enters a worker among the living, before it takes anything.
--   takes:   [5] worker   [6] lease, microseconds   [7] host   [8] pid
--   answers: registered
-- include: prelude
-- include: integer
use(QUEUE)
call('ZREM', WORKERS, '')
call('ZADD', WORKERS, integer(NOW + ARGV[6]), ARGV[5])
call('HSET', WORKER .. ARGV[5], 'host', ARGV[7], 'pid', ARGV[8])
call('HSETNX', WORKER .. ARGV[5], 'since', NOW)
return answer('registered')
