"""Fills a Redis with many jobs directly, for measurements at that size."""

from __future__ import annotations

import time

import redis

__all__ = ["fill", "job_id"]

_SLICE = 2000
_AGE_SECONDS = 10 * 86400

# Half of the jobs wait, a quarter is scheduled, a quarter complete; a third are of one analysis, and one in a thousand
# has an owner.
_FILL = """
local from, to, created = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local call, indexes, waiting = redis.call, {}, {}
local function enter(index, score, id)
  indexes[index] = indexes[index] or {}
  table.insert(indexes[index], score)
  table.insert(indexes[index], id)
end
for n = from, to - 1 do
  local id = string.format('%08d-0000-4000-8000-000000000000', n)
  local stamp = string.format('%d', created + n)
  local status = ({[0] = 'submitted', 'complete', 'submitted', 'scheduled'})[n % 4]
  local analysis = n % 3 == 0 and 'sleep' or 'summary'
  call('HSET', 'job.' .. id, 'id', id, 'status', status, 'analysis', analysis, 'created', stamp, 'start', 'null',
    'end', 'null', 'params', '{"seconds":0}', 'tags', '["night"]')
  if status ~= 'complete' then enter('jobs', stamp, id) end
  enter('jobs.' .. status, stamp, id)
  enter('jobs.analysis.' .. analysis, stamp, id)
  if n % 1000 == 0 then
    call('HSET', 'job.' .. id, 'owner', 'ann')
    enter('jobs.owner.ann', stamp, id)
    enter('jobs.unfinished.ann', stamp, id)
  end
  if status == 'submitted' then waiting[#waiting + 1] = id end
  if status == 'scheduled' then enter('jobs.due', stamp, id) end
  if status == 'complete' then
    call('RPUSH', 'jobs.retention', id)
    call('HDEL', 'job.' .. id, 'id', 'start', 'end')
    call('HSET', 'job.' .. id, 'attempt', 1, 'ended', stamp, 'results', '0 0.1.0 {}')
  end
end
for index, flat in pairs(indexes) do call('ZADD', index, unpack(flat)) end
call('SELECT', '1')
call('RPUSH', 'hotqueue:queue', unpack(waiting))
call('SELECT', '0')
"""


def fill(client: redis.Redis, count: int) -> None:
    """Add this many jobs, a microsecond apart, ten days old, to an empty Redis of the default settings."""
    script = client.register_script(_FILL)
    created = int((time.time() - _AGE_SECONDS) * 1e6)
    for at in range(0, count, _SLICE):
        script(args=[at, min(count, at + _SLICE), created])


def job_id(n: int) -> str:
    """Return the id of the job at this position."""
    return f"{n:08d}-0000-4000-8000-000000000000"
