"""``make run``: the stack in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from ops.settings import InvalidSetting
from stack.interrupts import Interrupted, raising_on_signals
from stack.processes import Stack, StackError

__all__ = ["main"]

_SAMPLE = Path(__file__).parent.parent / "samples" / "earthquakes.csv"


def main() -> int:
    """Run the stack; the exit code is 0 when it was asked to stop, 1 when it could not start or go on."""
    try:
        with raising_on_signals(), Stack() as stack:
            print(f"Starting; the logs are in {stack.logs}.", flush=True)
            stack.wait_until_ready()
            print(_greeting(stack), flush=True)
            stack.watch()
    except Interrupted:
        print("Stopped.", flush=True)
    except (StackError, InvalidSetting) as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


def _greeting(stack: Stack) -> str:
    address = stack.api.address
    sample = shlex.quote(str(_SAMPLE))
    job = json.dumps({"analysis": "histogram", "params": {"column": "magnitude"}, "start": None, "end": None})
    read_id = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"id\"])'"
    return f"""
The API is at {address}; it keeps its state in {stack.data_dir}. Try, in another terminal:

  curl -sS -H 'Content-Type: text/csv' --data-binary @{sample} {address}/data
  job=$(curl -sS {address}/jobs -d '{job}' | {read_id}); echo $job
  curl -sS "{address}/jobs/$job/results?wait=60"

Ctrl-C stops it.
"""


if __name__ == "__main__":
    sys.exit(main())
