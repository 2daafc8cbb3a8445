"""Generate a table of artificial earthquakes of any size; the same seed gives the same bytes.

python -m benchmarks.quakes [rows] > quakes.csv
"""

from __future__ import annotations

import csv
import io
import random
import sys
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["ROWS", "generate"]

ROWS: Final = 300_000

_HEADER: Final = "id time magnitude depth_km longitude latitude place network stations reviewed".split()
_BEGIN: Final = datetime(2015, 1, 1, tzinfo=UTC)
_APART_SECONDS: Final = 300
_REGIONS: Final = ("Alaska", "Chile", "Fiji", 'California, "north"', "Nevada", "Kermadec Islands", "Örnsköldsvik")


def generate(rows: int = ROWS, seed: int = 7) -> bytes:
    """Return the CSV: 2 % of the depths are missing, places contain commas and quotes, times are 5 minutes apart."""
    dice = random.Random(seed)
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_HEADER)
    for number in range(rows):
        later = timedelta(seconds=number * _APART_SECONDS + dice.randrange(_APART_SECONDS), milliseconds=number % 1000)
        writer.writerow(
            (
                f"q{number:07}",
                (_BEGIN + later).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                round(dice.gauss(2, 1), 2),
                "" if dice.random() < 0.02 else round(dice.expovariate(0.05), 2),
                round(dice.uniform(-180, 180), 4),
                round(dice.uniform(-90, 90), 4),
                f"{dice.randrange(1, 200)} km {dice.choice('NESW')} of {dice.choice(_REGIONS)}",
                dice.choice(("ak", "us", "ci")),
                dice.randrange(200),
                dice.choice(("true", "false")),
            )
        )
    return file.getvalue().encode()


if __name__ == "__main__":
    sys.stdout.buffer.write(generate(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
