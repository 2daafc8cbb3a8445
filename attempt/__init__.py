"""What surrounds an attempt in a worker's child: output, progress, the orders to stop, and word to the parent."""

from attempt.orders import Orders, Stopped
from attempt.output import Output
from attempt.reporter import Reporter
from attempt.slot import SLOT_BYTES, Slot

__all__ = ["SLOT_BYTES", "Orders", "Output", "Reporter", "Slot", "Stopped"]
