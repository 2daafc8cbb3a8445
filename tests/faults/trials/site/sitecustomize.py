"""Imported at the start of a Python with this folder on its path: adds the analyses of trials, and arms the fault."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import analyses

analyses.__path__.append(os.environ["TRIAL_ANALYSES"])

if "TRIAL_COUNTER" in os.environ and Path(sys.orig_argv[1]).name == "worker.py":
    from tests.faults.trials.fault import SharedCounter

    SharedCounter(Path(os.environ["TRIAL_COUNTER"])).arm("child" if "--child" in sys.orig_argv else "parent")
