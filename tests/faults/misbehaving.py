"""Do one of the things that an analysis should not do: `how` names it."""

from __future__ import annotations

import ctypes
import fcntl
import gc
import locale
import math
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import polars as pl

from analyses.kit import Outcome, Params, Progress

_DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open(sys.argv[1], "a") as file:
            print(os.getpid(), file=file)
        time.sleep(300)
"""


class MisbehavingParams(Params):
    how: str
    size: int = 0
    file: str = ""


def run(params: MisbehavingParams, progress: Progress) -> dict[Any, Any]:
    found = globals()[params.how](params, progress)
    return found if found is not None else {"done": params.how}


# Memory


def hoard_slowly(params: MisbehavingParams, progress: Progress) -> None:
    hoard = []
    while True:
        hoard.append(bytearray(os.urandom(1)) * 10_000_000)
        time.sleep(0.02)


def hoard_at_once(params: MisbehavingParams, progress: Progress) -> None:
    bytearray(b"x") * 50_000_000_000


def hoard_shared(params: MisbehavingParams, progress: Progress) -> None:
    # Shared pages are no data segment: no limit of the kernel's counts them.
    hoard = []
    while True:
        hoard.append(mmap.mmap(-1, 10_000_000))
        hoard[-1].write(bytes(10_000_000))
        time.sleep(0.02)


def hoard_among_many(params: MisbehavingParams, progress: Progress) -> None:
    for _ in range(8):
        if os.fork() == 0:
            hoard = bytearray(b"x") * 40_000_000
            time.sleep(300)
            del hoard
    time.sleep(300)


def share_among_many(params: MisbehavingParams, progress: Progress) -> None:
    shared = bytearray(b"x") * 60_000_000
    gc.disable()
    for _ in range(8):
        if os.fork() == 0:
            time.sleep(1.5)
            os._exit(0)
    time.sleep(1.2)
    del shared


def panic_for_memory(params: MisbehavingParams, progress: Progress) -> None:
    import polars as pl

    pl.DataFrame({"a": range(40_000)}).lazy().join(pl.LazyFrame({"b": range(40_000)}), how="cross").collect()


# Ends of the process


def crash(params: MisbehavingParams, progress: Progress) -> None:
    ctypes.string_at(0)


def abort(params: MisbehavingParams, progress: Progress) -> None:
    os.abort()


def leave(params: MisbehavingParams, progress: Progress) -> None:
    os._exit(7)


def leave_quietly(params: MisbehavingParams, progress: Progress) -> None:
    os._exit(0)


def dive(params: MisbehavingParams, progress: Progress) -> None:
    sys.setrecursionlimit(10**9)

    def deeper(depth: int) -> list[int]:
        return sorted(deeper(depth + 1) for _ in range(1))

    deeper(0)


def close_descriptors(params: MisbehavingParams, progress: Progress) -> None:
    os.closerange(0, 4096)


def close_and_wait(params: MisbehavingParams, progress: Progress) -> None:
    os.closerange(0, 4096)
    time.sleep(300)


def scribble(params: MisbehavingParams, progress: Progress) -> None:
    for descriptor in range(3, 256):
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith("/memfd:slot"):
                fcntl.fcntl(descriptor, fcntl.F_SETFD, 0)
                os.pwrite(descriptor, b"scribble " * 14, 0)
        except OSError:
            continue
    time.sleep(300)


def cut_off(params: MisbehavingParams, progress: Progress) -> None:
    for descriptor in range(3, 256):
        try:
            os.ftruncate(descriptor, 0)
        except OSError:
            continue


# Processes and threads


def start_processes(params: MisbehavingParams, progress: Progress) -> None:
    with open(params.file, "a") as file:
        plain = subprocess.Popen(["sleep", "300"])
        apart = subprocess.Popen(["sleep", "300"], start_new_session=True)
        print(plain.pid, apart.pid, file=file)
    subprocess.run([sys.executable, "-c", _DAEMON, params.file], check=True)
    while len(open(params.file).read().split()) < 3:  # noqa: SIM115
        time.sleep(0.01)
    progress(0.5, "started")
    time.sleep(params.size)


def start_and_crash(params: MisbehavingParams, progress: Progress) -> None:
    start_processes(params.model_copy(update={"size": 0}), progress)
    os.abort()


def fork_a_copy(params: MisbehavingParams, progress: Progress) -> dict[Any, Any]:
    return {"copy": os.fork() == 0}


def start_threads(params: MisbehavingParams, progress: Progress) -> None:
    def work() -> None:
        while True:
            print("noise of", os.getpid())
            time.sleep(0.01)

    for _ in range(4):
        threading.Thread(target=work).start()


# Words


def flood_the_log(params: MisbehavingParams, progress: Progress) -> None:
    for number in range(200_000):
        print(f"line {number}")
    print("x" * 30_000_000)
    print("the end")


def flood_progress(params: MisbehavingParams, progress: Progress) -> None:
    for number in range(200_000):
        progress(number / 200_000, "m" * 10_000)
    progress(math.nan, "m" * 100_000_000)
    time.sleep(0.6)


# Signals


def block_signals(params: MisbehavingParams, progress: Progress) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    time.sleep(params.size)


def ignore_signals(params: MisbehavingParams, progress: Progress) -> None:
    for each in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(each, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    time.sleep(params.size)


def catch_everything(params: MisbehavingParams, progress: Progress) -> None:
    while True:
        try:
            time.sleep(60)
        except BaseException as error:
            print("caught", type(error))


# The process' own state


def change_everything(params: MisbehavingParams, progress: Progress) -> None:
    os.chdir(params.file)
    os.rmdir(params.file)
    os.umask(0o777)
    os.environ["LEFT_BEHIND"] = "1"
    del os.environ["PATH"]
    locale.setlocale(locale.LC_ALL, "C")
    sys.setrecursionlimit(60)
    sys.stdout = sys.stderr = None


def look_around(params: MisbehavingParams, progress: Progress) -> dict[Any, Any]:
    print("heard")
    umask = os.umask(0o22)
    os.umask(umask)
    return {
        "pid": os.getpid(),
        "folder": os.getcwd(),
        "umask": umask,
        "environ": dict(os.environ),
        "locale": locale.setlocale(locale.LC_ALL),
        "depth": sys.getrecursionlimit(),
        "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }


# Results


def return_odd_numbers(params: MisbehavingParams, progress: Progress) -> dict[Any, Any]:
    return {"nan": math.nan, "infinities": [math.inf, -math.inf], "small": -0.0, math.inf: 1}


def return_too_much(params: MisbehavingParams, progress: Progress) -> dict[Any, Any]:
    return {"text": "x" * params.size}


def return_too_many(params: MisbehavingParams, progress: Progress) -> Outcome:
    table = pl.DataFrame({"x": [1]})
    return Outcome({}, tables={f"{n:0100d}": table for n in range(params.size)})


def return_a_generator(params: MisbehavingParams, progress: Progress) -> Any:
    return (number for number in range(3))


def return_generators(params: MisbehavingParams, progress: Progress) -> dict[Any, Any]:
    return {"numbers": (number for number in range(3))}


def return_bytes(params: MisbehavingParams, progress: Progress) -> dict[Any, Any]:
    return {"bytes": b"\xff\x00"}


def return_surrogates(params: MisbehavingParams, progress: Progress) -> dict[Any, Any]:
    return {"a\ud800": "b\udfff"}


def return_a_circle(params: MisbehavingParams, progress: Progress) -> dict[Any, Any]:
    circle: list[Any] = []
    circle.append(circle)
    return {"circle": circle}


def return_depths(params: MisbehavingParams, progress: Progress) -> dict[Any, Any]:
    value: Any = 0
    for _ in range(params.size):
        value = [value]
    return {"deep": value}


def return_nothing(params: MisbehavingParams, progress: Progress) -> Any:
    return 5
