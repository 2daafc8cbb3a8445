"""Runs a program that ends with its parent: ``python -m ops.devserver.with_parent_death PROGRAM [ARGUMENT ...]``.

If the parent is killed, the kernel sends SIGTERM, so that no process keeps ports and files in use. Only Linux supports
this; elsewhere the program is run without it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
