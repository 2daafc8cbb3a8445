-- Reads job records, about a mebibyte at most. Writes nothing.
--   takes:   [5] bytes that fit; each record counts 1,024 more   [6] 1: read the first one in any case
--            [7...] ids
--   answers: <bytes> <records, flat name and value each, empty if there is none; none if none fits>
-- include: common
select_db(RECORDS)
local most, bytes, records = tonumber(ARGV[5]), 0, {}
for at = 7, #ARGV do
  local key = 'job.' .. ARGV[at]
  local least = bytes + 1024 + call('HSTRLEN', key, 'params') + call('HSTRLEN', key, 'selection')
  if least > most and (#records > 0 or ARGV[6] ~= '1') then break end
  local record = call('HGETALL', key)
  bytes = bytes + 1024
  for n = 2, #record, 2 do bytes = bytes + #record[n] end
  records[#records + 1] = record
  if bytes >= 2 ^ 20 then break end
end
return answer(bytes, records)
