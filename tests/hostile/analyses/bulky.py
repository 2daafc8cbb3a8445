"""Return a result of some megabytes. Reads no dataset."""

from typing import Any

from analyses.kit import Params


class BulkyParams(Params):
    megabytes: int = 0
    text: str = ""


def run(params: BulkyParams) -> dict[str, Any]:
    """Fill a result."""
    return {"filler": ["x" * 1000] * (params.megabytes * 1000)}
