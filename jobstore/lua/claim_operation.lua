-- Takes over the operation whose lease has been over for the longest time.
--   takes:   [5] who works on it from now on   [6] lease, microseconds
--   answers: <its record, names and values; none if no lease is over>
-- include: common
-- include: integer
select_db(RECORDS)
local id = call('ZRANGEBYSCORE', 'operations', '-inf', now_us, 'LIMIT', 0, 1)[1]
if not id then return answer() end
local key = 'operation.' .. id
-- At maxmemory the first write must be one that frees.
call('ZREM', 'operations', id)
if call('EXISTS', key) == 0 then return answer() end
call('ZADD', 'operations', integer(now_us + ARGV[6]), id)
call('HSET', key, 'holder', ARGV[5])
return answer(unpack(call('HGETALL', key)))
