"""Run trials and print a table of them by kind.

python -m tests.faults.trials [TRIALS] [--seed SEED] [--runners RUNNERS] [--write PAGE]
    [--kind KIND] [--only KIND:POINT:SEED]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.trials.runners import Runners, Trial, number_of, open_runners, schedule
from tests.faults.trials.table import markdown, rows


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.trials")
    parser.add_argument("trials", nargs="?", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runners", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--write", type=Path, help="page of the docs that the table is written to")
    parser.add_argument("--kind", help="play trials of this kind only")
    parser.add_argument("--only", help="play one trial again: its number, as a failure prints it")
    return parser.parse_args()


def main() -> None:
    """Run the trials; exit with status 1 if one failed."""
    asked = _asked()
    with open_runners(1 if asked.only else asked.runners) as runners:
        if asked.only:
            name, point, seed = asked.only.rsplit(":", 2)
            trials: list[Trial] = [(name, int(point), int(seed))]
        else:
            trials = schedule(runners, asked.trials, asked.seed, asked.kind)
        verdicts = _play(runners, trials)
    _print_table(verdicts)
    if asked.write:
        asked.write.write_text(
            markdown(
                verdicts, f"make test-long SUITE=trials TRIALS={asked.trials} SEED={asked.seed} PAGE={asked.write}"
            )
        )
    sys.exit(any(verdict["complaints"] for verdict in verdicts))


def _play(runners: Runners, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    begun, verdicts = time.monotonic(), []
    for verdict in runners.play_all(trials):
        verdicts.append(verdict)
        number = number_of((verdict["kind"], verdict["point"], verdict["seed"]))
        for complaint in verdict["complaints"]:
            print(f"{number} at {verdict['where'] or 'no step'}: {complaint}", flush=True)
        if len(verdicts) % 500 == 0:
            passed = time.monotonic() - begun
            print(f"{len(verdicts)} of {len(trials)}, {passed:.0f} s", file=sys.stderr, flush=True)
    return verdicts


def _print_table(verdicts: Sequence[dict[str, Any]]) -> None:
    table = rows(verdicts)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *others in table:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]))


if __name__ == "__main__":
    main()
