"""Children under a memory limit: on machines with many cores, on large datasets, for many jobs in sequence."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

import jobs
from analyses import get_analyses
from dataset import Description, Store
from dataset.ingest import ingest
from tests.conftest import ROOT, eventually

pytestmark = pytest.mark.long

LEAST_OF_MANY_CORES_MB = 160
DEFAULT_MB = 768  # the default of Compose and Kubernetes
SAMPLE = ROOT / "samples" / "earthquakes.csv"
MANY_CORES = {"settings": {"OPENBLAS_NUM_THREADS": 64, "POLARS_MAX_THREADS": 64}, "shim": {}}


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler; the variant `settings` starts as many threads")
    library = tmp_path_factory.mktemp("shim") / "cores.so"
    source = Path(__file__).parent / "cores.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def many_cores(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return settings with which a worker or its libraries assume 64 cores."""
    if request.param == "shim":
        return {"LD_PRELOAD": request.getfixturevalue("shim")}
    return MANY_CORES[request.param]


@pytest.fixture(scope="session")
def earthquakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the sample repeated with other ids up to 100 MB."""
    file = tmp_path_factory.mktemp("data") / "earthquakes.csv"
    header, *lines = SAMPLE.read_text().splitlines()
    with file.open("w") as out:
        print(header, file=out)
        for number in range(100_000_000 // SAMPLE.stat().st_size + 1):
            out.writelines(
                f"{line.replace(line.split(',')[0], f'{number}-{position}', 1)}\n"
                for position, line in enumerate(lines)
            )
    return file


def _publish(csv: bytes) -> Description:
    return Store(jobs.rd).publish(ingest(csv, "text/csv"))


def _submit_all(dataset: Description, **options: Any) -> dict[str, str]:
    columns = dataset.types()
    return {
        name: jobs.add_job(
            None,
            None,
            name,
            params=analysis.example_params(columns),
            dataset=dataset.version,
            max_attempts=1,
            **options,
        )["id"]
        for name, analysis in get_analyses().items()
        if analysis.reads_dataset
    }


def _errors(submitted: dict[str, str], seconds: float = 120) -> dict[str, Any]:
    for jid in submitted.values():
        eventually(lambda jid=jid: jobs.Status(jobs.get_job_by_id(jid)["status"]).ended, seconds)
    found = {name: jobs.get_job_by_id(jid) for name, jid in submitted.items()}
    return {name: job["error"] for name, job in found.items() if (job["status"], job["attempt"]) != ("complete", 1)}


@pytest.mark.parametrize("many_cores", MANY_CORES, indirect=True)
@pytest.mark.parametrize("megabytes", [0, 100])
def test_all_analyses_complete_at_once_on_64_cores_under_the_default_limit(
    start_worker, request, many_cores, megabytes
):
    # Given a dataset, and two children on a machine with 64 cores
    csv = request.getfixturevalue("earthquakes") if megabytes else SAMPLE
    dataset = _publish(csv.read_bytes())
    start_worker(2, MEMORY_LIMIT_MB=DEFAULT_MB, **many_cores)

    # When each analysis runs, then each completes in its first attempt
    assert _errors(_submit_all(dataset)) == {}


@pytest.mark.parametrize("many_cores", [*MANY_CORES], indirect=True)
def test_the_least_limit_suffices_for_the_analyses_on_the_sample(start_worker, many_cores):
    dataset = _publish(SAMPLE.read_bytes())
    start_worker(1, MEMORY_LIMIT_MB=LEAST_OF_MANY_CORES_MB, **many_cores)

    for _ in range(2):
        assert _errors(_submit_all(dataset)) == {}


HOARDING = '''"""Read the rows, and take memory beside them."""

from analyses.kit import Params


class HoardingParams(Params):
    megabytes: int


def run(%s) -> dict:
    hoard = bytearray(b"x") * (params.megabytes * 2**20)
    return {"size": len(hoard)}
'''
HOARDS = {"reading": "rows, params: HoardingParams", "alone": "params: HoardingParams"}


def test_a_job_finds_as_much_memory_after_others_as_in_a_fresh_process(worker_with, tmp_path, earthquakes):
    # Given one child, and two datasets of 100 MB that do not both fit in memory with a job
    csv = earthquakes.read_bytes()
    tables = [ingest(csv, "text/csv"), ingest(csv.replace(b",earthquake", b",blast"), "text/csv")]
    (tmp_path / "analyses").mkdir()
    (tmp_path / "analyses" / "alone.py").write_text(HOARDING % HOARDS["alone"])
    worker_with("reading", HOARDING % HOARDS["reading"], MEMORY_LIMIT_MB=512)

    # When jobs use nearly all of the rest, on the first dataset, on the second and on none
    submitted = {}
    for number in range(2):
        for table in tables:
            dataset = Store(jobs.rd).publish(table)
            for name, version, megabytes in (("reading", dataset.version, 200), ("alone", None, 340)):
                job = jobs.add_job(None, None, name, params={"megabytes": megabytes}, dataset=version, max_attempts=1)
                submitted[f"{number} {name} {version}"] = job["id"]

    # Then each completes
    assert _errors(submitted) == {}


def test_nothing_is_left_in_the_temporary_folder_without_a_home(start_worker, start, tmp_path):
    # Given a worker that cannot write to its home
    folder = tmp_path / "temporary"
    folder.mkdir()
    dataset = _publish(SAMPLE.read_bytes())
    worker = start_worker(2, HOME="/dev/null", TMPDIR=folder)

    # When its children draw plots, one of them is killed, and it stops
    assert _errors(_submit_all(dataset)) == {}
    assert not list(folder.glob("matplotlib*"))
    os.kill(jobs.get_workers()[0]["pid"], signal.SIGKILL)
    assert worker.stop() == 0

    # Then no file is left but that of the version, which the next process of this user maps, or deletes
    assert [path.name for path in folder.iterdir()] in ([], [f"dataset-{os.geteuid()}"])
    assert {path.suffix for path in folder.glob("*/*")} <= {".arrow"}
