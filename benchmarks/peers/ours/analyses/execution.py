"""Do what the jobs of all peers do. Reads no dataset."""

from analyses.kit import Params, Progress
from benchmarks.peers.execution import execute


class ExecutionParams(Params):
    job: str


def run(params: ExecutionParams, progress: Progress) -> dict[str, str]:
    """Leave a line at the start and one at the end."""
    execute(params.job)
    return {}
