"""``make run``: runs the service in the foreground until Ctrl-C or SIGTERM."""

from __future__ import annotations

import ipaddress
import json
import os
import shlex
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from config.settings import InvalidSetting, Settings
from ops.devserver.processes import Stack, StackError
from ops.devserver.signals import Interrupted, raising_on_signals

__all__ = ["main"]

_SAMPLE = Path(__file__).parents[2] / "samples" / "earthquakes.csv"


def main() -> int:
    """Run the service; return 0 after a requested stop, 2 for invalid settings, 1 for other failures."""
    try:
        with raising_on_signals(), Stack(_with_reload(os.environ)) as stack:
            print(f"Starting; the logs are kept in {stack.logs}.", flush=True)
            if not stack.settings.api_keys_file and not _is_loopback(stack.settings.api_host):
                print(_exposure(stack.settings), flush=True)
            stack.wait_until_ready()
            print(_greeting(stack), flush=True)
            stack.watch()
    except Interrupted:
        print("Stopped.", flush=True)
    except InvalidSetting as error:
        print(error, file=sys.stderr, flush=True)
        return 2
    except StackError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


def _with_reload(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings with another default, for authors of analyses."""
    return {**environ, "RELOAD": environ.get("RELOAD", "").strip() or "yes"}


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)


def _exposure(settings: Settings) -> str:
    return f"""
WARNING: API_HOST={settings.api_host} is not a loopback address: everyone who reaches port {settings.api_port} of this
machine can read and replace the dataset, run jobs and read their results. There is no authentication and no encryption.
Set API_KEYS_FILE to require keys; `make key` makes them.
Only requests whose Host header is one of ALLOWED_HOSTS ({settings.allowed_hosts}) are answered: add the
name by which clients call this machine. That keeps out other web sites, not people: any client can send that header.
"""


def _greeting(stack: Stack) -> str:
    address = stack.api.address
    sample = shlex.quote(str(_SAMPLE))
    job = json.dumps({"analysis": "histogram", "params": {"column": "magnitude"}, "start": None, "end": None})
    curl = "curl -sS"
    if stack.settings.api_keys_file:
        curl += ' -H "Authorization: Bearer $JOBS_API_KEY"'
    read_id = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"id\"])'"
    return f"""
The API is at {address}; it keeps its state in {stack.data_dir}. Try, in another terminal:

  {curl} -H 'Content-Type: text/csv' --data-binary @{sample} {address}/data
  job=$({curl} {address}/jobs -d '{job}' | {read_id}); echo $job
  {curl} "{address}/jobs/$job/results?wait=60"

Ctrl-C stops it.
"""


if __name__ == "__main__":
    sys.exit(main())
