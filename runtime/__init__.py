"""What surrounds an attempt: in the child its output, its progress and the orders to stop; in the parent the child."""

from runtime.cache_folders import cache_settings
from runtime.child_process import GRACE_SECONDS, ChildProcess
from runtime.control import ControlChannel, Stopped
from runtime.cpu import thread_settings, usable_cores
from runtime.dataset_cache import Tables
from runtime.descendants import become_subreaper, end_orphans
from runtime.errors import error_from_exception, failure, status_corrupted
from runtime.memory import ALLOCATOR_SETTINGS, MemoryWatch, raise_oom_score
from runtime.output import Output
from runtime.process_state import ProcessState
from runtime.reporter import Reporter
from runtime.results import build_results, parse_bound
from runtime.shared_status import SHARED_STATUS_BYTES, SharedStatus
from runtime.signals import ignore_stray_signals

__all__ = [
    "ALLOCATOR_SETTINGS",
    "GRACE_SECONDS",
    "SHARED_STATUS_BYTES",
    "ChildProcess",
    "ControlChannel",
    "MemoryWatch",
    "Output",
    "ProcessState",
    "Reporter",
    "SharedStatus",
    "Stopped",
    "Tables",
    "become_subreaper",
    "build_results",
    "cache_settings",
    "end_orphans",
    "error_from_exception",
    "failure",
    "ignore_stray_signals",
    "parse_bound",
    "raise_oom_score",
    "status_corrupted",
    "thread_settings",
    "usable_cores",
]
