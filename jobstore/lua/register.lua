-- Registers a worker with a lease.
--   takes:   [5] worker   [6] lease, microseconds   [7] host   [8] pid
--   answers: registered
-- include: common
-- include: integer
select_db(QUEUE)
call('ZREM', WORKERS, '')
call('ZADD', WORKERS, integer(now_us + ARGV[6]), ARGV[5])
call('HSET', WORKER .. ARGV[5], 'host', ARGV[7], 'pid', ARGV[8])
call('HSETNX', WORKER .. ARGV[5], 'since', now_us)
return answer('registered')
