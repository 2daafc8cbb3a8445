"""What one look at Redis cannot tell: that an end, once seen, never changes."""

from __future__ import annotations

import redis

__all__ = ["Ends"]

_ENDED = ("complete", "failed", "cancelled")


class Ends:
    """Ended status and attempt of each job, as an earlier look saw them."""

    def __init__(self) -> None:
        self._seen: dict[bytes, list[bytes | None]] = {}

    def changed(self, records: redis.Redis) -> list[str]:
        """Look again: the ends that are others than before; a job that was removed since is none of them."""
        before = self._seen
        for status in _ENDED:
            for jid in records.zrange(f"jobs.{status}", 0, -1):
                self._seen.setdefault(jid, [])
        pipeline = records.pipeline(transaction=False)
        for jid in self._seen:
            pipeline.hmget(b"job." + jid, "status", "attempt")
        now = dict(zip(self._seen, pipeline.execute(), strict=True))
        changed = [
            f"job.{jid.decode()} ended as {old}, and is {now[jid]} now"
            for jid, old in before.items()
            if old and now[jid][0] is not None and now[jid] != old
        ]
        self._seen = {jid: end for jid, end in now.items() if end[0] is not None}
        return changed
