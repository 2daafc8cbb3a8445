"""Attack the API under a memory limit, scenario by scenario, and print the results; Linux only.

python -m tests.hostile [--only TEXT] [--write PAGE]
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

# Imported because they register scenarios.
import tests.hostile.bodies
import tests.hostile.raw_requests
import tests.hostile.responses
import tests.hostile.submissions  # noqa: F401
from tests.hostile.limit import Limit, choose_limit
from tests.hostile.scenario import SCENARIOS, Scenario, Verdict, play
from tests.hostile.service import Service
from tests.hostile.table import markdown, write_between_markers

_LIMIT_BYTES = 2 << 30  # the same as in docker-compose.yml and kubernetes/
_DESCRIPTORS = 8192


def main() -> int:
    """Play the scenarios; return 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("--only", default="", help="play only scenarios of this line, or with this text in their title")
    parser.add_argument("--write", type=Path, help="page of the docs that the table is written into")
    asked = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_DESCRIPTORS, most) if most > 0 else _DESCRIPTORS, most))
    chosen = [
        each
        for each in sorted(SCENARIOS, key=lambda each: each.line)
        if (asked.only == str(each.line) if asked.only.isdigit() else asked.only in each.title)
    ]
    if not chosen:
        parser.error(f"no scenario has the line or the text {asked.only!r}")
    limit = choose_limit(_LIMIT_BYTES)
    print(f"The limit is {limit.name}.", flush=True)
    begun = time.monotonic()
    verdicts = _play(chosen, limit)
    table = markdown(verdicts, limit.name)
    print(f"\n{table}\n\n{len(verdicts)} scenarios in {time.monotonic() - begun:.0f} s.")
    if asked.write:
        write_between_markers(asked.write, table)
    return int(any(verdict.complaints for verdict in verdicts))


def _play(chosen: Sequence[Scenario], limit: Limit) -> list[Verdict]:
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        service = Service(limit, Path(folder))
        try:
            for each in chosen:
                verdicts.append(verdict := play(each, service))
                print(f"{each.line:2} {each.title}: {verdict.seconds:.1f} s", flush=True)
                for complaint in verdict.complaints:
                    print(f"   FAILED: {complaint}", flush=True)
        finally:
            service.stop()
            limit.remove()
    return verdicts


if __name__ == "__main__":
    sys.exit(main())
