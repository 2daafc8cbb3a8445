-- Queues ids ({id, priority, creation} each) at the tail or the head, and wakes as many idle workers as can claim them.
-- Jobs that a repair (repair.lua) has not reached are left to it.
local SUFFIX = {high = '.high', normal = '', low = '.low'}

local function wake(count)
  select_db(QUEUE)
  for _ = 1, math.min(count, call('ZCARD', WORKERS) - call('LLEN', WAKE)) do
    call('RPUSH', WAKE, '1')
  end
end

local function enqueue(entries, at_head)
  select_db(QUEUE)
  local lists, repaired = {}, tonumber(call('GET', WAITING .. '.repair'))
  for _, entry in ipairs(entries) do
    if not repaired or tonumber(entry[3]) <= repaired then
      local list = WAITING .. (SUFFIX[entry[2]] or '')
      lists[list] = lists[list] or {}
      table.insert(lists[list], entry[1])
    end
  end
  for list, ids in pairs(lists) do call(at_head and 'LPUSH' or 'RPUSH', list, unpack(ids)) end
  wake(#entries)
end
