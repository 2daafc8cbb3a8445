-- A block: moves ids from the head of the queues to those that the worker has reserved, until there are `want`, but no
-- more than its share of what waits. Adds to `claimed` what a worker needs of each such job, and of each reserved before if
-- `all_reserved`: id, attempt, analysis, start, end, params, dataset, selection, waited (microseconds), request_id.
select_db(QUEUE)
local ids = all_reserved and call('LRANGE', reserved, 0, -1) or {}
if want > 0 and call('ZSCORE', WORKERS, worker) then
  local waiting = call('LLEN', WAITING .. '.high') + call('LLEN', WAITING) + call('LLEN', WAITING .. '.low')
  want = math.min(want - call('LLEN', reserved), math.floor(waiting / math.max(1, call('ZCARD', WORKERS))))
  for _, suffix in ipairs({'.high', '', '.low'}) do
    local popped = want > 0 and call('LPOP', WAITING .. suffix, want)
    if popped and #popped > 0 then
      call('RPUSH', reserved, unpack(popped))
      call('SADD', RESERVING, worker)
      for _, id in ipairs(popped) do ids[#ids + 1] = id end
      want = want - #popped
    end
  end
end
select_db(RECORDS)
for _, id in ipairs(ids) do
  local job = call('HMGET', 'job.' .. id, 'status', 'attempt', 'analysis', 'start', 'end', 'params', 'dataset', 'selection',
    'queued', 'created', 'request_id')
  if job[1] == 'submitted' then
    claimed[#claimed + 1] = {id, string.format('%d', (job[2] or 0) + 1), job[3], job[4], job[5], job[6], job[7] or '',
      job[8] or '', now_us - (job[9] or job[10]), job[11] or ''}
  else
    select_db(QUEUE)
    call('LREM', reserved, 1, id)
    select_db(RECORDS)
  end
end
