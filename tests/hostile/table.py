"""The table of results, for the terminal and for docs/reliability.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.hostile.scenario import Verdict

__all__ = ["markdown", "write_between_markers"]

_BEGIN, _END = "<!-- make test-hostile: begin -->", "<!-- make test-hostile: end -->"
_HEAD = ("line", "what", "statuses", "peak MiB", "private MiB", "kills", "health p50 ms", "p99 ms", "max ms", "result")


def markdown(verdicts: Sequence[Verdict], limit: str) -> str:
    """Return the table and the limit under which it was measured."""
    lines = [f"The limit here is {limit}.", "", f"| {' | '.join(_HEAD)} |", f"|{' --- |' * len(_HEAD)}"]
    lines += [f"| {' | '.join(_row(verdict))} |" for verdict in verdicts]
    return "\n".join(lines)


def write_between_markers(page: Path, text: str) -> None:
    """Replace the text between the markers of the page.

    :raises ValueError: if it has no markers.
    """
    content = page.read_text()
    begin, end = content.index(_BEGIN) + len(_BEGIN), content.index(_END)
    page.write_text(f"{content[:begin]}\n{text}\n{content[end:]}")


def _row(verdict: Verdict) -> tuple[str, ...]:
    health = [verdict.health[int(len(verdict.health) * share)] for share in (0.5, 0.99)] + [verdict.health[-1]]
    return (
        str(verdict.line),
        verdict.title.replace("|", "\\|"),
        ", ".join(f"{status or 'cut'} x {count}" for status, count in verdict.statuses.items()),
        f"{verdict.peak / 2**20:.0f}",
        f"{verdict.private / 2**20:.0f}",
        str(verdict.kills),
        *(f"{seconds * 1000:.0f}" for seconds in health),
        "failed" if verdict.complaints else "held",
    )
