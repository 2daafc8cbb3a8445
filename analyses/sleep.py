"""Sleep for some seconds: a placeholder for a long computation. Reads no dataset."""

import time
from typing import Any

from pydantic import Field

from analyses.kit import Params, Progress

_REPORT_EVERY = 0.5


class SleepParams(Params):
    seconds: float = Field(default=15, ge=0, le=86_400, description="How long to sleep, a day at most.")


def run(params: SleepParams, progress: Progress) -> dict[str, Any]:
    """Sleep, reporting progress twice a second."""
    end = time.monotonic() + params.seconds if params.seconds else 0.0
    while params.seconds and (left := end - time.monotonic()) > 0:
        progress(1 - left / params.seconds, f"{left:.0f} s left")
        time.sleep(min(left, _REPORT_EVERY))
    return {"slept": params.seconds}
