"""Run all suites in turn, several rounds, and write the results, the tables and the plots of the performance page.

    python -m benchmarks.run [--quick] [--only drain,bulk] [--rounds 5] [--write] [--page]

Each round of a suite is a process of its own. ``--write`` keeps the results in ``docs/performance.json`` (suites that
were not run stay) and renews the generated part of ``docs/performance.md``; ``--page`` does that without measuring.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from benchmarks.dataset_peers import PACKAGES, is_installed, version_of
from benchmarks.figures import Figure
from benchmarks.harness import ROOT, machine
from benchmarks.lines import LINES, SUITES, Suite
from benchmarks.page import Results, main_table, write_page
from benchmarks.peers.peers import PEERS

__all__ = ["RESULTS", "load_results", "main"]

RESULTS = ROOT / "docs/performance.json"
ROUND_SECONDS = 1_200
_PACKAGES = ("Flask", "gunicorn", "redis", "hiredis", "pydantic", "polars")


def load_results() -> Results:
    """Return the stored results by suite; empty where there are none."""
    return dict(json.loads(RESULTS.read_text())) if RESULTS.exists() else {}


def _save(results: Results) -> None:
    """Write a line per round, so that a renewed suite changes its own lines only."""
    suites = []
    for name, suite in sorted(results.items()):
        about = json.dumps({**suite, "rounds": None}, ensure_ascii=False)
        rounds = ",\n".join(json.dumps(each, ensure_ascii=False) for each in suite["rounds"])
        suites.append(f'"{name}": ' + about.replace('"rounds": null', f'"rounds": [\n{rounds}\n]'))
    RESULTS.write_text("{\n" + ",\n".join(suites) + "\n}\n")


def _round(suite: Suite, quick: bool) -> Iterator[Figure]:
    """Yield the figures of one round.

    :raises subprocess.SubprocessError: the module failed or did not end in time.
    """
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    words = [sys.executable, "-m", f"benchmarks.{suite.module}", *(["--quick"] if quick else [])]
    printed = subprocess.run(words, cwd=ROOT, env=environ, stdout=subprocess.PIPE, timeout=ROUND_SECONDS, check=True)
    for line in printed.stdout.decode().splitlines():
        figure = Figure(**json.loads(line))
        if figure.line not in LINES:
            raise ValueError(f"benchmarks.{suite.module}: {figure.line!r} is not in benchmarks/lines.py")
        yield figure


def _measure(suites: Sequence[Suite], quick: bool, rounds: int | None) -> tuple[Results, bool]:
    """Run the rounds of all suites in turn; the flag is false if a round failed."""
    results: Results = {}
    went_well = True
    wanted = {suite: rounds or (suite.quick if quick else suite.rounds) for suite in suites}
    for number in range(max(wanted.values())):
        for suite in (each for each, count in wanted.items() if number < count):
            begun = time.monotonic()
            try:
                figures = [(f.line, f.side, float(f"{f.value:.5g}"), f.unit) for f in _round(suite, quick)]
            except subprocess.SubprocessError as error:
                print(f"{suite.module}: {error}", file=sys.stderr, flush=True)
                went_well = False
                continue
            print(f"round {number + 1}, {suite.module}: {time.monotonic() - begun:.0f} s", flush=True)
            results.setdefault(suite.module, {**_about(), "rounds": []})["rounds"].append(figures)
    return results, went_well


def _about() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {"date": time.strftime("%Y-%m-%d"), "commit": commit.stdout.strip(), "machine": machine(), **_versions()}


def _versions() -> dict[str, dict[str, str]]:
    ours = {"Python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
    peers = {peer.title: peer.version() for peer in PEERS if peer.is_installed and peer.package}
    peers |= {title: version_of(name) for name, title in PACKAGES.items() if is_installed(name)}
    node = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip().removeprefix("v")
    return {"versions": {**ours, **peers, "Node.js": node}}


def main() -> None:
    """Print the table; exit with 1 if a round failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round, in less than 3 minutes")
    parser.add_argument("--only", default="", help="names of suites, comma-separated")
    parser.add_argument("--rounds", type=int, help="of each suite (as in benchmarks/lines.py)")
    parser.add_argument("--write", action="store_true", help="write docs/performance.json, .md and plots")
    parser.add_argument("--page", action="store_true", help="write the page from the stored results, measure nothing")
    asked = parser.parse_args()
    if asked.page:
        write_page(load_results())
        return
    known = {suite.module: suite for suite in SUITES if find_spec(f"benchmarks.{suite.module}")}
    names = asked.only.split(",") if asked.only else list(known)
    if unknown := set(names) - known.keys():
        parser.error(f"there is no suite {', '.join(sorted(unknown))}: choose from {', '.join(known)}")
    suites = [known[name] for name in names]
    results, went_well = _measure(suites, asked.quick, asked.rounds)
    print(f"\n{machine()}, load {os.getloadavg()[0]:.1f}\n\n{main_table(results)}")
    if asked.write:
        results = {**load_results(), **results}
        _save(results)
        write_page(results)
    sys.exit(not went_well)


if __name__ == "__main__":
    main()
