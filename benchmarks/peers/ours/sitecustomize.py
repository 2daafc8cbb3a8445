"""Read by a Python that has this folder on its path: it finds one analysis more."""

from __future__ import annotations

from pathlib import Path

import analyses

analyses.__path__.append(str(Path(__file__).parent / "analyses"))
