-- Starts an operation on all jobs that match some filters; it covers those that were created before.
--   takes:   [5] id   [6] who works on it   [7] lease, microseconds   [8...] names and values of its record
--   checks:  it does not exist; the present one is returned otherwise
--   answers: <its record, names and values>
-- include: common
-- include: integer
local id, key = ARGV[5], 'operation.' .. ARGV[5]

select_db(RECORDS)
if call('EXISTS', key) == 0 then
  -- At maxmemory the first write must be one that frees: an operation may be what deletes jobs.
  call('ZREM', 'operations', '')
  call('HSET', key, 'id', id, 'status', 'in progress', 'created', now_us, 'holder', ARGV[6], 'seen_created', '',
    'seen_id', '', 'walked', 0, 'total', 0, 'matched', 0, 'done', 0, 'skipped', 0, unpack(ARGV, 8))
  call('ZADD', 'operations', integer(now_us + ARGV[7]), id)
end
return answer(unpack(call('HGETALL', key)))
