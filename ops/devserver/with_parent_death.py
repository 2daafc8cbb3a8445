"""Runs a program that ends with its parent: ``python -m ops.devserver.with_parent_death PROGRAM [ARGUMENT ...]``.

Where its parent is killed, the kernel sends it SIGTERM, so that nothing is left behind that holds ports and files.
Linux alone has this; elsewhere it only becomes the program.
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
