"""Read by each fresh Python of a trial with real processes: knows the trial's analyses, and takes its blow."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def _join() -> None:
    script = Path(sys.orig_argv[1]).name if len(sys.orig_argv) > 1 else ""
    if script != "worker.py":
        return
    import analyses
    from tests.faults.trials.blow import Tally

    analyses.__path__.append(os.environ["TRIAL_ANALYSES"])
    Tally(Path(os.environ["TRIAL_TALLY"])).arm("child" if "--child" in sys.orig_argv else "parent")


_join()
