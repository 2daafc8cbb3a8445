-- A block: counts the end of a job in its second, for the throughput, and sets `rate`, the key of this minute.
select_db(QUEUE)
local rate = WAITING .. '.rate.' .. math.floor(clock[1] / 60)
if call('HINCRBY', rate, clock[1] % 60, 1) == 1 then call('EXPIRE', rate, 7200) end
