"""``make check``: verifies the invariants of the Redis of the settings; exits with 1 if one is violated."""

from __future__ import annotations

import sys
import time
from collections import Counter

import redis

from config.settings import load_or_exit, redis_auth_settings
from jobstore import RedisAuth, open_client
from ops.invariants.invariants import find_violations


def main() -> int:
    """Print each violation, then the number of jobs and violations."""
    settings = load_or_exit()
    records, queue = (
        open_client(
            settings.redis_ip, settings.redis_port, db, auth=RedisAuth(**redis_auth_settings(settings)), timeout=60
        )
        for db in (settings.redis_db, settings.queue_db)
    )
    began = time.monotonic()
    try:
        ended: list[int] = [records.zcard(f"jobs.{status}") for status in ("complete", "failed", "cancelled")]
        counted = records.zcard("jobs") - records.zcard("jobs.ended") + sum(ended)
        found = find_violations(records, queue, settings.queue_name)
    except redis.RedisError as error:
        print(f"Redis at {settings.redis_ip}:{settings.redis_port} cannot be read: {error}", file=sys.stderr)
        return 2
    for violation in found:
        print(f"{violation.invariant}  {violation.key}  {violation.what}")
    by_number = Counter(violation.invariant for violation in found)
    said = ", ".join(f"invariant {number}: {count}" for number, count in sorted(by_number.items()))
    print(f"{counted} jobs in {time.monotonic() - began:.1f} s: {said or 'all invariants hold'}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
