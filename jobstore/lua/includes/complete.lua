-- A block: completes the job `id` after check_ownership.lua and the removal from its worker's list. `fields_at` is where
-- the further fields of its results begin. It repeats `finalize` in a straight line: a script creates its functions in
-- each call, which takes time for each job.
-- include: count_end
select_db(RECORDS)
call('ZADD', 'jobs.complete', record[4], id)
-- Small results are a field of the record, which then loses what is at its default: no further key is needed.
if string.byte(ARGV[8]) == 123 then
  local results = 'results.' .. id
  call('HSET', key, 'status', 'complete', 'ended', now_us)
  call('HSET', results, 'document', ARGV[8])
  for at = fields_at, #ARGV, 2 do
    call('HSET', results, ARGV[at], ARGV[at + 1])
  end
else
  call('HDEL', key, 'id', unpack(ARGV, fields_at))
  call('HSET', key, 'status', 'complete', 'ended', now_us, 'results', ARGV[8])
end
call('PUBLISH', key, 'complete')
call('ZREM', 'jobs', id)
call('RPUSH', 'jobs.retention', id)
if record[6] then call('ZREM', 'jobs.unfinished.' .. record[6], id) end
local version = record[5]
-- include: release_dataset
if ARGV[9] ~= '' then call('HSET', 'log.' .. id, attempt, ARGV[9]) end
