"""Sleep, return a large result, or raise, as a trial needs it. Reads no dataset."""

import time
from pathlib import Path
from typing import Any

from pydantic import Field

from analyses.kit import Params, Progress


class TrialParams(Params):
    ran: str = Field(description="File that gets a b at each beginning and an e at each end.")
    seconds: float = 0.0
    seconds_first: float = Field(default=0.0, description="How long the first run sleeps besides.")
    megabytes: int = 0
    raises: int = Field(default=0, description="How many of the first runs raise.")


def run(params: TrialParams, progress: Progress) -> dict[str, Any]:
    """Record each run in a file, and end as requested."""
    with Path(params.ran).open("a") as ran:
        ran.write("b")
    begun = Path(params.ran).read_text().count("b")
    progress(0.5, "begun")
    if begun <= params.raises:
        raise RuntimeError(f"run {begun} raises")
    end = time.monotonic() + params.seconds + (params.seconds_first if begun == 1 else 0)
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.02))
    with Path(params.ran).open("a") as ran:
        ran.write("e")
    return {"filler": "x" * (params.megabytes * 2**20)}
