"""What surrounds an attempt: in the child its output, its progress and the orders to stop; in the parent the child."""

from attempt.cpu import thread_settings, usable_cores
from attempt.descendants import adopt_orphans, end_orphans
from attempt.failure import failure, failure_of, garbled
from attempt.memory import ALLOCATOR_SETTINGS, MemoryWatch, raise_oom_score
from attempt.orders import Orders, Stopped
from attempt.output import Output
from attempt.process import GRACE_SECONDS, ChildProcess
from attempt.reporter import Reporter
from attempt.results import compose_results, read_bound
from attempt.signals import ignore_stray_signals
from attempt.slot import SLOT_BYTES, Slot
from attempt.tables import Tables
from attempt.temporary import cache_settings
from attempt.traces import Traces

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
