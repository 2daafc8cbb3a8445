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

-- `jobs` stands for all jobs: it has the unfinished ones. Jobs that workers of an older release ended are in it too, and
-- in `jobs.ended`, until purge.lua has moved them; then their number in a range of creation is unknown.
local ALL = {'jobs', 'jobs.complete', 'jobs.failed', 'jobs.cancelled'}

local function count_index(index, least, greatest)
  select_db(RECORDS)
  local from, to = text_of(least, '-inf'), text_of(greatest, '+inf')
  if index ~= 'jobs' then return call('ZCOUNT', index, from, to) end
  local total, twice = 0, call('ZCARD', 'jobs.ended')
  if twice > 0 and (least or greatest) then return false end
  for _, name in ipairs(ALL) do total = total + call('ZCOUNT', name, from, to) end
  return total - twice
end

-- Starts at the last job seen, which may share its creation with others, and returns one entry more than the limit.
local function slice_one(index, least, greatest, ascending, seen, limit)
  local from, to, beside = text_of(least, '-inf'), text_of(greatest, '+inf'), 0
  if seen then
    local creation = integer(seen)
    beside = call('ZCOUNT', index, creation, creation)
    if ascending then from = creation else to = creation end
  end
  local count, found = limit + 1 + beside, nil
  if ascending then
    found = call('ZRANGEBYSCORE', index, from, to, 'WITHSCORES', 'LIMIT', 0, count)
  else
    found = call('ZREVRANGEBYSCORE', index, to, from, 'WITHSCORES', 'LIMIT', 0, count)
  end
  return pairs_of(found), beside
end

local function is_before(a, b)
  return a[1] < b[1] or a[1] == b[1] and a[2] < b[2]
end

local function slice_index(index, least, greatest, ascending, seen, limit)
  select_db(RECORDS)
  if index ~= 'jobs' then return slice_one(index, least, greatest, ascending, seen, limit) end
  local slices, firsts, merged, most = {}, {}, {}, limit + 1
  for n, name in ipairs(ALL) do
    local slice, beside = slice_one(name, least, greatest, ascending, seen, limit)
    slices[n], firsts[n], most = slice, 1, most + beside
  end
  while #merged < most do
    local best, from
    for n, slice in ipairs(slices) do
      local first = slice[firsts[n]]
      if first and best and first[2] == best[2] then
        firsts[n] = firsts[n] + 1
      elseif first and (not best or ascending == is_before(first, best)) then
        best, from = first, n
      end
    end
    if not best then break end
    merged[#merged + 1], firsts[from] = best, firsts[from] + 1
  end
  return merged
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
    return is_before(a, b)
  end)
  return entries
end
