"""Health checks for container probes: ``python -m ops.health api | worker | backup``.

A worker's supervisor writes the time into a file in each round of its loop; a process whose loop has stalled is
unhealthy. The time is that of the monotonic clock, which all processes of a host share.
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from config.settings import Settings, api_address, load_or_exit

__all__ = ["STALE_SECONDS", "main"]

STALE_SECONDS = 30.0
"""A round takes half a second, and as long as its calls' time-outs while Redis is away: less than half of this."""

_API_SECONDS = 5.0


def main(arguments: list[str]) -> int:
    """Return 0 for a healthy process; else print the fault and return 1, or 2 for wrong arguments or settings."""
    checks = {"api": _check_api, "worker": _check_worker, "backup": _check_backup}
    if len(arguments) != 1 or arguments[0] not in checks:
        print(f"usage: python -m ops.health {' | '.join(checks)}", file=sys.stderr)
        return 2
    complaint = checks[arguments[0]](load_or_exit())
    if complaint:
        print(complaint, file=sys.stderr)
    return int(bool(complaint))


def _check_api(settings: Settings) -> str:
    host = settings.allowed_hosts.split(",")[0].strip()
    request = urllib.request.Request(f"{api_address(settings)}/health", headers={"Host": host})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(request, timeout=_API_SECONDS).close()
    except (OSError, urllib.error.URLError) as error:
        return f"The API does not answer: {error}"
    return ""


def _check_worker(settings: Settings) -> str:
    if not settings.health_file:
        return "HEALTH_FILE is not set: a worker without it leaves no stamp to read."
    try:
        stamp = float(Path(settings.health_file).read_text("ascii"))
    except (OSError, ValueError) as error:
        return f"There is no stamp of the worker: {error}"
    age = time.monotonic() - stamp
    # A time from before the last boot of the host may be ahead of the clock.
    return "" if 0 <= age < STALE_SECONDS else f"The worker's loop went round {age:.0f} s ago."


def _check_backup(settings: Settings) -> str:
    made = max((path.stat().st_mtime for path in Path(settings.backup_dir).glob("jobs-*.rdb")), default=None)
    if made is None:
        return f"There is no back-up in {settings.backup_dir}."
    age = time.time() - made
    return "" if age < 2 * settings.backup_interval_seconds else f"The newest back-up is {age / 3600:.1f} hours old."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
