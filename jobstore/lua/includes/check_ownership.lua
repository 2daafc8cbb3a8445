-- A block: sets `key` and `record` of the job `id`, and `refusal`, the answer of finish.lua, unless `worker` holds it in
-- this `attempt`.
select_db(RECORDS)
local key = 'job.' .. id
local record = call('HMGET', key, 'status', 'worker', 'attempt', 'created', 'dataset', 'owner', 'analysis')
local refusal
if record[2] ~= worker or record[3] ~= attempt then
  refusal = 'refused'
elseif record[1] ~= 'in progress' then
  refusal = record[1] == 'complete' and 'complete' or 'refused'
end
