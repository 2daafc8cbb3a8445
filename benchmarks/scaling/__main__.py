"""Measure what limits growth, several rounds, and write the first part of docs/scaling.md.

    python -m benchmarks.scaling [--quick] [--only heartbeats] [--rounds 3] [--write] [--page]

``--write`` keeps the results in ``docs/scaling.json`` (parts that were not measured stay) and renews the page;
``--page`` does that without measuring.
Figures that ``make bench`` measures anyway are taken from ``docs/performance.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import time

from benchmarks.harness import machine
from benchmarks.scaling.measure import PARTS
from benchmarks.scaling.page import RESULTS, generate, load, write_page


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure less")
    parser.add_argument("--only", nargs="*", choices=PARTS, help="measure these parts alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="keep the results and renew the page")
    parser.add_argument("--page", action="store_true", help="renew the page from the results, measure nothing")
    options = parser.parse_args()
    results = load()
    if not options.page:
        results |= {part: _measure(part, options.rounds, options.quick) for part in options.only or PARTS}
    print(generate(results))
    if options.write:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    if options.write or options.page:
        write_page(results)


def _measure(part: str, rounds: int, quick: bool) -> dict[str, object]:
    about = {"date": time.strftime("%Y-%m-%d"), "machine": machine()}
    found, loads = [], []
    for number in range(rounds):
        loads.append(round(os.getloadavg()[0], 1))
        found.append([(f.line, f.side, float(f"{f.value:.4g}"), f.unit) for f in PARTS[part](quick)])
        print(f"{part}: round {number + 1} of {rounds}", flush=True)
    return {**about, "load": loads, "rounds": found}


if __name__ == "__main__":
    main()
