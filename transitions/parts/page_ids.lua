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
  use(RECORDS)
  return call('ZCOUNT', index, text_of(least, '-inf'), text_of(greatest, '+inf'))
end

-- From the last one seen on, which may share its creation with others: one more than the limit of what follows it.
local function slice_index(index, least, greatest, ascending, seen, limit)
  use(RECORDS)
  local from, to, count = text_of(least, '-inf'), text_of(greatest, '+inf'), limit + 1
  if seen then
    local creation = integer(seen)
    count = count + call('ZCOUNT', index, creation, creation)
    if ascending then from = creation else to = creation end
  end
  if ascending then return pairs_of(call('ZRANGEBYSCORE', index, from, to, 'WITHSCORES', 'LIMIT', 0, count)) end
  return pairs_of(call('ZREVRANGEBYSCORE', index, to, from, 'WITHSCORES', 'LIMIT', 0, count))
end

-- What the workers hold.
local function held_entries()
  use(QUEUE)
  local ids, entries = {}, {}
  for _, worker in ipairs(call('ZRANGE', 'workers', 0, -1)) do
    ids[#ids + 1] = call('LINDEX', WAITING .. ':' .. worker, 0) or nil
  end
  use(RECORDS)
  for _, id in ipairs(ids) do
    local created = call('ZSCORE', 'jobs', id)
    if created then entries[#entries + 1] = {tonumber(created), id} end
  end
  return entries
end

local function all_in_both(first, second, least, greatest, ascending)
  use(RECORDS)
  local entries = first == 'jobs.in progress' and held_entries() or pairs_of(call('ZRANGE', first, 0, -1, 'WITHSCORES'))
  local both = {}
  for _, entry in ipairs(entries) do
    local between = (not least or entry[1] > least) and (not greatest or entry[1] < greatest)
    if between and (second == '' or call('ZSCORE', second, entry[2])) then both[#both + 1] = entry end
  end
  table.sort(both, function(a, b)
    if not ascending then a, b = b, a end
    return a[1] < b[1] or a[1] == b[1] and a[2] < b[2]
  end)
  return both
end
