"""Hosts as network namespaces: each has its own address on one bridge, and can be cut off or killed.

They exist within the namespaces of this process, in which :func:`isolated` starts it, and end with it, however it ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import ROOT, kill_all
from ops.devserver.signals import Interrupted, raising_on_signals

__all__ = ["FOLDER", "Host", "Unsupported", "isolated", "set_up_network"]

FOLDER = Path("/run/cluster")
"""Files of the hosts, in memory that only this process and its hosts see."""

_NETWORK = "10.203.0"
_BRIDGE = "bridge"
_NEEDED = {"ip": "iproute2", "openssl": "openssl", "redis-server": "redis-server", "unshare": "util-linux"}


class Unsupported(Exception):
    """This machine cannot make the namespaces; the message gives the reason and the remedy."""


def isolated(words: Sequence[str], seconds: float) -> int:
    """Run a module of Python in namespaces of its own, and return its exit status; all that it started ends with it.

    :raises Unsupported: this machine or this user cannot make namespaces.
    """
    if missing := sorted(package for program, package in _NEEDED.items() if not shutil.which(program)):
        raise Unsupported(f"Install {', '.join(missing)}.")
    unshare = ["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    unshare += ["--user", "--map-root-user"] if os.geteuid() else []
    probe = subprocess.run([*unshare, "mount", "-t", "tmpfs", "tmpfs", "/run"], capture_output=True, text=True)
    if probe.returncode:
        raise Unsupported(f"This user cannot make network namespaces ({probe.stderr.strip()}): it needs CAP_SYS_ADMIN.")
    # The kernel kills `unshare` with this process and all others with `unshare`, so that SIGKILL leaves nothing either.
    program = ["setpriv", "--pdeathsig", "KILL", *unshare, sys.executable, "-m", *words]
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = subprocess.Popen(program, cwd=ROOT, env=environ, start_new_session=True)
    try:
        with raising_on_signals():
            return process.wait(seconds)
    except subprocess.TimeoutExpired:
        print(f"Stopped: it has not ended within {seconds:g} s.", file=sys.stderr)
        return 1
    except Interrupted:
        print("Interrupted; everything is stopped.", file=sys.stderr)
        return 130
    finally:
        process.kill()
        process.wait()


def set_up_network() -> str:
    """Make the bridge that joins the hosts, in the namespaces of this process, and return the address of this side."""
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")
    FOLDER.mkdir()
    _ip("link", "set", "lo", "up")
    _ip("link", "add", _BRIDGE, "type", "bridge")
    _ip("address", "add", f"{_NETWORK}.1/24", "dev", _BRIDGE)
    _ip("link", "set", _BRIDGE, "up")
    return f"{_NETWORK}.1"


class Host:
    """A host with a name, the last number of its address, and the programs that it runs."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.address = f"{_NETWORK}.{number}"
        self.folder = FOLDER / name
        self.folder.mkdir()
        self.programs: list[subprocess.Popen[bytes]] = []
        self._link = f"to-{name}"
        self._mac = f"02:00:00:00:00:{number:02x}"
        self._boot()

    def start(self, *words: str, **settings: str) -> None:
        """Start a program of this host; its output goes to ``log``."""
        named = ["sh", "-c", 'echo "$0" >/proc/sys/kernel/hostname && exec "$@"', self.name, *words]
        environ = {**os.environ, "TMPDIR": str(self.folder), **settings}
        with self.log.open("ab") as log:
            self.programs.append(
                subprocess.Popen(
                    ["ip", "netns", "exec", self.name, "unshare", "--uts", *named],
                    cwd=ROOT,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def stop(self) -> None:
        """Send SIGTERM to the programs, and wait until they have exited."""
        for program in self.programs:
            program.send_signal(signal.SIGTERM)
        while self.programs:
            self.programs.pop().wait(60)

    def cut_off(self) -> None:
        """Take down the host's link: no packet passes, and nobody is told."""
        _ip("link", "set", self._link, "down")

    def reconnect(self) -> None:
        """Put the link up again."""
        _ip("link", "set", self._link, "up")

    def kill(self) -> None:
        """Kill all processes. On a host that is cut off this is a power failure: no connection is closed."""
        while self.programs:
            kill_all(self.programs.pop())

    def _boot(self) -> None:
        _ip("netns", "add", self.name)
        own = ["name", "eth0", "address", self._mac, "netns", self.name]
        _ip("link", "add", self._link, "type", "veth", "peer", *own)
        _ip("link", "set", self._link, "master", _BRIDGE, "up")
        within = ["-netns", self.name]
        _ip(*within, "address", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip(*within, "link", "set", device, "up")


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
