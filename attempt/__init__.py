"""What surrounds an attempt: in the child its output, its progress and the orders to stop; in the parent the child."""

from attempt.failure import failure, failure_of
from attempt.orders import Orders, Stopped
from attempt.output import Output
from attempt.process import GRACE_SECONDS, ChildProcess
from attempt.reporter import Reporter
from attempt.slot import SLOT_BYTES, Slot

__all__ = [
    "GRACE_SECONDS",
    "SLOT_BYTES",
    "ChildProcess",
    "Orders",
    "Output",
    "Reporter",
    "Slot",
    "Stopped",
    "failure",
    "failure_of",
]
