-- Ends an operation; its record is kept for a day.
local function finish_operation(id, status, error)
  local key = 'operation.' .. id
  call('ZREM', 'operations', id)
  call('HSET', key, 'status', status, 'ended', now_us)
  if error ~= '' then call('HSET', key, 'error', error) end
  call('EXPIRE', key, 86400)
end
