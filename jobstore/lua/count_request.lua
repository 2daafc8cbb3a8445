-- Counts a request in the window of its name, which begins with the first one.
--   takes:   [5] key   [6] length of a window, seconds   [7] 1, or 0 to count nothing
--   answers: counted <requests in the window> <milliseconds until it is over; negative without a window>
-- include: common
local used = tonumber(call('GET', ARGV[5]) or 0)
if ARGV[7] == '1' then
  -- At maxmemory the first write must be one that frees: a request may be what makes room.
  call('ZREM', 'operations', '')
  used = call('INCR', ARGV[5])
  if used == 1 then call('EXPIRE', ARGV[5], ARGV[6]) end
end
return answer('counted', used, call('PTTL', ARGV[5]))
