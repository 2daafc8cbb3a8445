-- Ends an operation before all jobs were walked.
--   takes:   [5] id   [6] cancelled | failed   [7] error, '' for none
--   checks:  it exists and has not ended
--   answers: <its record, names and values; none if it does not exist>
-- include: common
-- include: finish_operation
local key = 'operation.' .. ARGV[5]

select_db(RECORDS)
if call('HGET', key, 'status') == 'in progress' then finish_operation(ARGV[5], ARGV[6], ARGV[7]) end
return answer(unpack(call('HGETALL', key)))
