"""This project, in its default settings, with one analysis more."""

from __future__ import annotations

import jobs as ours


def add(jobs: list[str]) -> None:
    for job in jobs:
        ours.add_job(None, None, "execution", params={"job": job})
