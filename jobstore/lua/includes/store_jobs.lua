-- Stores jobs and queues those that are due. `words` has, from `common_at` to `from`, the fields that all jobs have in
-- common as name and value, and from `from` on `width` words for each job: id, analysis, priority, due (microseconds; ''
-- at once), delay (microseconds from `accepted` on, or ''), dataset ('' for none), then its other fields as name and
-- value, the same names for all. The first job is created at `created`, each next one a microsecond later.
local PUBLISHED = 101 -- no listener lists more, and a slice of a bulk has thousands
local function store_jobs(words, common_at, from, width, created, accepted)
  local fields = {'id', '', 'status', '', 'analysis', '', 'priority', '', 'created', '', unpack(words, common_at, from - 1)}
  local own, entries, indexes, common_owner, owner_at = #fields - 5, {}, {}, nil, nil
  for at = common_at, from - 2, 2 do
    if words[at] == 'owner' then common_owner = words[at + 1] end
  end
  for at = from + 6, from + width - 2, 2 do
    if words[at] == 'owner' then owner_at = at + 1 - from end
  end
  local function enter(index, score, id)
    local flat = indexes[index] or {}
    indexes[index] = flat
    flat[#flat + 1], flat[#flat + 2] = score, id
  end
  for at = from, #words, width do
    local id, analysis, priority, due, delay, dataset = unpack(words, at, at + 5)
    local key, stamp = 'job.' .. id, integer(created)
    if due == '' and delay ~= '' then due = integer(accepted + tonumber(delay)) end
    local waits = due ~= '' and tonumber(due) > tonumber(now_us)
    local status = waits and 'scheduled' or 'submitted'
    fields[2], fields[4], fields[6], fields[8], fields[10] = id, status, analysis, priority, stamp
    for n = at + 6, at + width - 1 do fields[own + n - at] = words[n] end
    call('HSET', key, unpack(fields))
    if dataset ~= '' then call('HSET', key, 'dataset', dataset) end
    if at < from + PUBLISHED * width then call('PUBLISH', key, status) end
    enter('jobs', stamp, id)
    enter('jobs.' .. status, stamp, id)
    enter('jobs.analysis.' .. analysis, stamp, id)
    local owner = common_owner or owner_at and words[at + owner_at] or ''
    if owner ~= '' then
      enter('jobs.owner.' .. owner, stamp, id)
      enter('jobs.unfinished.' .. owner, stamp, id)
    end
    if waits then
      enter('jobs.due', due, id)
    else
      entries[#entries + 1] = {id, priority, stamp}
    end
    created = created + 1
  end
  for index, flat in pairs(indexes) do call('ZADD', index, unpack(flat)) end
  if #entries > 0 then enqueue(entries, false) end
end
