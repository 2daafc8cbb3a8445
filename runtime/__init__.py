"""Runs a worker: the supervisor, its child processes, and the execution of one attempt (:mod:`runtime.executor`)."""

from runtime.control import Stopped
from runtime.descendants import become_subreaper
from runtime.errors import NotPrepared, Outdated
from runtime.heartbeat_file import HeartbeatFile
from runtime.memory import raise_oom_score
from runtime.signals import ignore_stray_signals
from runtime.supervisor import Supervisor, handle_stop_signals, tick_seconds

__all__ = [
    "HeartbeatFile",
    "NotPrepared",
    "Outdated",
    "Stopped",
    "Supervisor",
    "become_subreaper",
    "handle_stop_signals",
    "ignore_stray_signals",
    "raise_oom_score",
    "tick_seconds",
]
