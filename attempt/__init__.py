"""What surrounds an attempt: in the child its output, its progress and the orders to stop; in the parent the child."""

from attempt.descendants import adopt_orphans, end_orphans
from attempt.failure import failure, failure_of, garbled
from attempt.memory import give_way
from attempt.orders import Orders, Stopped
from attempt.output import Output
from attempt.process import GRACE_SECONDS, ChildProcess
from attempt.reporter import Reporter
from attempt.results import compose_results, read_bound
from attempt.slot import SLOT_BYTES, Slot
from attempt.traces import Traces

__all__ = [
    "GRACE_SECONDS",
    "SLOT_BYTES",
    "ChildProcess",
    "Orders",
    "Output",
    "Reporter",
    "Slot",
    "Stopped",
    "Traces",
    "adopt_orphans",
    "compose_results",
    "end_orphans",
    "failure",
    "failure_of",
    "garbled",
    "give_way",
    "read_bound",
]
