"""What surrounds an attempt: in the child its output, its progress and the orders to stop; in the parent the child."""

from runtime.cache_folders import cache_settings
from runtime.child_process import GRACE_SECONDS, ChildProcess
from runtime.control import Orders, Stopped
from runtime.cpu import thread_settings, usable_cores
from runtime.dataset_cache import Tables
from runtime.descendants import adopt_orphans, end_orphans
from runtime.errors import failure, failure_of, garbled
from runtime.memory import ALLOCATOR_SETTINGS, MemoryWatch, raise_oom_score
from runtime.output import Output
from runtime.process_state import Traces
from runtime.reporter import Reporter
from runtime.results import compose_results, read_bound
from runtime.shared_status import SLOT_BYTES, Slot
from runtime.signals import ignore_stray_signals

__all__ = [
    "ALLOCATOR_SETTINGS",
    "GRACE_SECONDS",
    "SLOT_BYTES",
    "ChildProcess",
    "MemoryWatch",
    "Orders",
    "Output",
    "Reporter",
    "Slot",
    "Stopped",
    "Tables",
    "Traces",
    "adopt_orphans",
    "cache_settings",
    "compose_results",
    "end_orphans",
    "failure",
    "failure_of",
    "garbled",
    "ignore_stray_signals",
    "raise_oom_score",
    "read_bound",
    "thread_settings",
    "usable_cores",
]
