"""Detects final statuses that change, which a single look at Redis cannot detect."""

from __future__ import annotations

import redis

__all__ = ["FinalStatusWatch"]

_ENDED = ("complete", "failed", "cancelled")


class FinalStatusWatch:
    """Remembers the final status and attempt of each job."""

    def __init__(self) -> None:
        self._seen: dict[bytes, list[bytes | None]] = {}

    def changed(self, records: redis.Redis) -> list[str]:
        """Return the jobs whose final status or attempt differs from the previous call; removed jobs are ignored."""
        ids = set(self._seen)
        for status in _ENDED:
            ids.update(records.zrange(f"jobs.{status}", 0, -1))
        pipeline = records.pipeline(transaction=False)
        for jid in ids:
            pipeline.hmget(b"job." + jid, "status", "attempt")
        kept = {jid: end for jid, end in zip(ids, pipeline.execute(), strict=True) if end[0] is not None}
        before, self._seen = self._seen, kept
        return [
            f"job.{jid.decode()} ended as {end}, and is {kept[jid]} now"
            for jid, end in before.items()
            if jid in kept and kept[jid] != end
        ]
