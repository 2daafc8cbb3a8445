"""Do one of the things that an analysis should not do; `how` selects it."""

from __future__ import annotations

import ctypes
import faulthandler
import fcntl
import gc
import locale
import logging
import math
import mmap
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import polars as pl

from analyses.kit import InvalidParams, Outcome, Params, Progress

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
    # Shared pages are not part of the data segment: no kernel limit counts them.
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


# Exits


def crash(params: MisbehavingParams, progress: Progress) -> None:
    ctypes.string_at(0)


def abort(params: MisbehavingParams, progress: Progress) -> None:
    os.abort()


def leave(params: MisbehavingParams, progress: Progress) -> None:
    print("before the exit")
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
    shared = 0
    for descriptor in range(3, 256):
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith("/memfd:status"):
                fcntl.fcntl(descriptor, fcntl.F_SETFD, 0)
                os.pwrite(descriptor, b"scribble " * 14, 0)
                shared += 1
        except OSError:
            continue
    if not shared:
        raise LookupError("the shared status was not found")
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


def _double(number: int) -> int:
    return 2 * number


def use_multiprocessing(params: MisbehavingParams, progress: Progress) -> dict[Any, Any]:
    context: Any = multiprocessing.get_context(params.file)
    with context.Pool(2) as pool:
        doubled = pool.map(_double, range(4))
    lock, queue = context.Lock(), context.Queue()
    process = context.Process(target=_put, args=(queue, lock))
    process.start()
    found = queue.get(timeout=20)
    process.join()
    return {"doubled": doubled, "found": found, "active": len(multiprocessing.active_children())}


def _put(queue: Any, lock: Any) -> None:
    with lock:
        queue.put("found")


def leave_a_process_of_multiprocessing(params: MisbehavingParams, progress: Progress) -> None:
    context: Any = multiprocessing.get_context(params.file)
    context.Process(target=time.sleep, args=(300,)).start()


def hang_in_native_code(params: MisbehavingParams, progress: Progress) -> None:
    # It holds the interpreter's lock while it waits.
    ctypes.PyDLL(None).sleep(3600)


# Output


def write_to_descriptors(params: MisbehavingParams, progress: Progress) -> None:
    block = b"x" * 2**20
    for _ in range(params.size):
        os.write(1, block)
    subprocess.run(["sh", "-c", "echo of a shell; echo of its errors >&2"], stdout=sys.stdout, stderr=sys.stderr)
    ctypes.CDLL(None).dprintf(1, b"of C\n")
    sys.stdout.buffer.write("of bytes: \u00fc\n".encode(sys.stdout.encoding))
    print("of print", sys.stdout.fileno())
    logging.getLogger("its.own").warning("of logging")


def flood_from_locked_native_code(params: MisbehavingParams, progress: Progress) -> None:
    write = ctypes.PyDLL(None).write
    block = b"y" * 2**20
    for _ in range(params.size):
        write(1, block, len(block))


def break_the_streams(params: MisbehavingParams, progress: Progress) -> None:
    sys.stdout.close()
    sys.stderr.detach()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.close(2)


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
    signal.setitimer(signal.ITIMER_REAL, params.size + 0.5)
    time.sleep(params.size)


def catch_everything(params: MisbehavingParams, progress: Progress) -> None:
    while True:
        try:
            time.sleep(60)
        except BaseException as error:
            print("caught", type(error))


def wait_for_signals(params: MisbehavingParams, progress: Progress) -> dict[Any, Any]:
    # Its child processes have the default signal handlers.
    progress(0.5, "waiting")
    time.sleep(params.size)
    ended = {}
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        started = subprocess.Popen(["sleep", "60"])
        started.send_signal(number)
        ended[number.name] = started.wait()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        ended["fork"] = pool.map(_double, [1])[0]
    return ended


def handle_signals_itself(params: MisbehavingParams, progress: Progress) -> None:
    for number in range(1, 32):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)


# InvalidParams


def refuse_its_parameters(params: MisbehavingParams, progress: Progress) -> None:
    raise InvalidParams([("/size", "too large for these rows")])


def look_up_what_is_not_there(params: MisbehavingParams, progress: Progress) -> None:
    from analyses import get_analysis

    get_analysis("of another version")


# Process state


def leave_traps(params: MisbehavingParams, progress: Progress) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_PROF, 0.2)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.2)
    faulthandler.dump_traceback_later(1.0, exit=True, file=sys.__stderr__)
    faulthandler.register(signal.SIGUSR1, file=sys.__stderr__)
    seconds = int(time.process_time() + 1.1)  # reached by a job that works honestly for 1.2 s, and not before
    for which, soft in (("NOFILE", 20), ("CPU", seconds), ("FSIZE", 100), ("AS", 2**36)):
        hard = resource.getrlimit(getattr(resource, f"RLIMIT_{which}"))[1]
        resource.setrlimit(getattr(resource, f"RLIMIT_{which}"), (soft, hard))
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    socket.setdefaulttimeout(0.001)
    gc.disable()
    logging.disable()
    logging.basicConfig(force=True)
    sys.path.clear()


def leave_permanent_changes(params: MisbehavingParams, progress: Progress) -> None:
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def work_honestly(params: MisbehavingParams, progress: Progress) -> dict[Any, Any]:
    give_up = time.process_time() + 1.2
    while time.process_time() < give_up:
        sum(range(10_000))
    with open(params.file, "wb") as file:
        file.write(bytes(100_000))
    ended = subprocess.run([sys.executable, "-c", "raise SystemExit(3)"], check=False).returncode
    hoard = bytearray(2**28)
    logging.getLogger("honest").warning("heard too")
    return {
        "ended": ended,
        "size": len(hoard),
        "nice": os.nice(0),
        "cores": len(os.sched_getaffinity(0)),
        "space": resource.getrlimit(resource.RLIMIT_AS),
    }


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
