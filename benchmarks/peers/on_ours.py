"""This project with default settings and one added analysis."""

from __future__ import annotations

import jobs as ours


def add(jobs: list[str]) -> None:
    for job in jobs:
        ours.add_job(None, None, "execution", params={"job": job})
