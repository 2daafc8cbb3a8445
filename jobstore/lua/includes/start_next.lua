-- A block: sets `job`, what a worker needs of the job `next_id` (includes/reserve.lua), whose id is in the worker's list. A
-- submitted job becomes in progress, and `started` is its attempt; otherwise `started` is nil.
select_db(RECORDS)
local record = call('HMGET', 'job.' .. next_id, 'status', 'attempt', 'analysis', 'start', 'end', 'params', 'dataset',
  'selection', 'queued', 'created', 'request_id')
local started
if record[1] == 'submitted' then
  started = string.format('%d', (record[2] or 0) + 1)
-- include: start_job
end
local job = {next_id, started or record[2], record[3], record[4], record[5], record[6], record[7] or '', record[8] or '',
  now_us - (record[9] or record[10] or now_us), record[11] or ''}
