-- Finds the jobs of a page: {creation, id} each, in order. Bounds are exclusive, nil for none.
local function text_of(bound, infinite)
  return bound and '(' .. integer(bound) or infinite
end

local function pairs_of(flat)
  local entries = {}
  for at = 1, #flat, 2 do
    entries[#entries + 1] = {tonumber(flat[at + 1]), flat[at]}
  end
  return entries
end

local function count_index(index, least, greatest)
  select_db(RECORDS)
  return call('ZCOUNT', index, text_of(least, '-inf'), text_of(greatest, '+inf'))
end

-- Starts at the last job seen, which may share its creation with others, and returns one entry more than the limit.
local function slice_index(index, least, greatest, ascending, seen, limit)
  select_db(RECORDS)
  local from, to, count = text_of(least, '-inf'), text_of(greatest, '+inf'), limit + 1
  if seen then
    local creation = integer(seen)
    count = count + call('ZCOUNT', index, creation, creation)
    if ascending then from = creation else to = creation end
  end
  if ascending then return pairs_of(call('ZRANGEBYSCORE', index, from, to, 'WITHSCORES', 'LIMIT', 0, count)) end
  return pairs_of(call('ZREVRANGEBYSCORE', index, to, from, 'WITHSCORES', 'LIMIT', 0, count))
end

-- What follows the last job seen, up to the limit, and 1 where more follows.
local function entries_after(found, ascending, seen_created, seen_id, limit)
  local entries = {}
  for _, entry in ipairs(found) do
    local created, id = entry[1], entry[2]
    local after = not seen_created or ascending == (created > seen_created)
    if created == seen_created then after = id ~= seen_id and ascending == (id > seen_id) end
    if after then
      if #entries == limit then return entries, 1 end
      entries[#entries + 1] = entry
    end
  end
  return entries, 0
end

-- What the workers hold.
local function held_entries(least, greatest, ascending)
  select_db(QUEUE)
  local ids, entries = {}, {}
  for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
    ids[#ids + 1] = call('LINDEX', WAITING .. ':' .. worker, 0) or nil
  end
  select_db(RECORDS)
  for _, id in ipairs(ids) do
    local created = tonumber(call('ZSCORE', 'jobs', id))
    if created and (not least or created > least) and (not greatest or created < greatest) then
      entries[#entries + 1] = {created, id}
    end
  end
  table.sort(entries, function(a, b)
    if not ascending then a, b = b, a end
    return a[1] < b[1] or a[1] == b[1] and a[2] < b[2]
  end)
  return entries
end
