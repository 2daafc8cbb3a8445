"""This project with default settings and one added analysis."""

from __future__ import annotations

import jobs as ours
from config.settings import load


def add(jobs: list[str]) -> None:
    ours.connect(load())
    for job in jobs:
        ours.add_job(None, None, "execution", params={"job": job})
