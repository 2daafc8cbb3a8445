-- Returns the jobs that ended in a minute of the clock, after one of its seconds, and how many failed in the minute.
local function read_rate(minute, after)
  select_db(QUEUE)
  local ended, failed, fields = 0, 0, call('HGETALL', WAITING .. '.rate.' .. minute)
  for at = 1, #fields, 2 do
    local second, count = tonumber(fields[at]), tonumber(fields[at + 1])
    if not second then failed = count elseif second > after then ended = ended + count end
  end
  return ended, failed
end
