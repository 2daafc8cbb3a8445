"""`kubernetes/restore.sh` with a kubectl that records what it is asked, and answers as a cluster would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.manifests.rendered import of_kind, rendered

SCRIPT = ROOT / "kubernetes" / "restore.sh"
STUB = """#!/bin/sh
case " $* " in
*" patch --local "*) exec {kubectl} "$@" ;;
*" api-versions "*)
    printf '%s\\n' apps/v1 batch/v1 v1
    [ -z "$KEDA" ] || echo keda.sh/v1alpha1
    exit
    ;;
esac
scale() {{
    for word; do
        case $word in
        */*) names="$names $word" ;;
        esac
        count=$word
    done
    for name in $names; do echo "$count" > "{folder}/$name.replicas"; done
}}
next_state() {{
    states={folder}/states.${{1%%-*}}
    head -1 "$states"
    [ "$(wc -l < "$states")" = 1 ] || sed -i 1d "$states"
}}
names=""
echo "$*" >> {folder}/asked
case " $* " in
*" get scaledobject"*) [ -z "$KEDA" ] || echo scaledobject.keda.sh/worker ;;
*" get statefulset/redis --output name"*) [ -e "{folder}/statefulset/redis.replicas" ] ;;
*"jsonpath={{.spec.replicas}}"*) cat "{folder}/$4.replicas" ;;
*"jsonpath={{.metadata.annotations.dataset-jobs/replicas}}"*) cat "{folder}/$4.noted" 2>/dev/null || true ;;
*"jsonpath={{.spec.suspend}}"*) cat "{folder}/suspend" ;;
*"jsonpath={{.metadata.annotations.dataset-jobs/resume}}"*) cat "{folder}/resume" 2>/dev/null || true ;;
*" annotate "*dataset-jobs/resume=*) echo yes > "{folder}/resume" ;;
*" annotate "*dataset-jobs/resume-*) rm "{folder}/resume" ;;
*'"suspend": true'*) echo true > "{folder}/suspend" ;;
*'"suspend": false'*) echo false > "{folder}/suspend" ;;
*" logs "*) printf '%s\\n' "2026-11-24 INFO backup" /backups/jobs-20261124T021700Z.rdb ;;
*" annotate "*dataset-jobs/replicas=*) echo "$5" | sed 's/.*=//' > "{folder}/$4.noted" ;;
*" annotate "*dataset-jobs/replicas-*) rm "{folder}/$4.noted" ;;
*" scale "*) scale "$@" ;;
*" create job "*) cat {folder}/job.yaml ;;
*" apply "*) cat > {folder}/applied.yaml ;;
*.status.conditions*)
    [ -z "$FORBIDDEN" ] || exit 1
    next_state "${{4#job/}}" ;;
esac
"""


COMPLETES = ("", "SuccessCriteriaMet", "Complete")
FAILS = ("FailureTarget", "FailureTarget Failed")
NAMES = ("deployment/api", "deployment/worker", "statefulset/redis")


class Cluster:
    """A stub of kubectl and what it was asked; ``replicas`` are those of API, worker and Redis.

    ``find`` and ``states`` are the conditions of the Jobs that find and restore the back-up, as they follow each other.
    """

    def __init__(self, folder: Path, replicas: tuple[int, int, int]) -> None:
        self._folder = folder
        kubectl = Path(sys.executable).parent / "kubectl"
        (folder / "kubectl").write_text(STUB.format(folder=folder, kubectl=kubectl))
        (folder / "kubectl").chmod(0o755)
        for name, count in zip(NAMES, replicas, strict=True):
            file = folder / f"{name}.replicas"
            file.parent.mkdir(exist_ok=True)
            file.write_text(str(count))
        (folder / "suspend").write_text("false")
        spec = of_kind(rendered("prod"), "CronJob")["backup"]["spec"]["jobTemplate"]["spec"]
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "restore"}, "spec": spec}
        (folder / "job.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(job))))

    def replicas(self) -> tuple[int, ...]:
        """Return the replicas of API, worker and Redis."""
        return tuple(int((self._folder / f"{name}.replicas").read_text()) for name in NAMES)

    def restore(
        self,
        *words: str,
        keda: bool = False,
        find: tuple[str, ...] = COMPLETES,
        states: tuple[str, ...] = COMPLETES,
        forbidden: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        (self._folder / "states.find").write_text("".join(f"{state}\n" for state in find))
        (self._folder / "states.restore").write_text("".join(f"{state}\n" for state in states))
        environ = {**os.environ, "PATH": f"{self._folder}:/usr/bin:/bin", "KEDA": "1" if keda else ""}
        environ["RESTORE_POLL_SECONDS"], environ["FORBIDDEN"] = "0", "1" if forbidden else ""
        return subprocess.run([SCRIPT, *words], env=environ, capture_output=True, text=True, timeout=60)

    def is_suspended(self) -> bool:
        """Return whether the CronJob of the back-ups is."""
        return (self._folder / "suspend").read_text().strip() == "true"

    def suspend(self) -> None:
        (self._folder / "suspend").write_text("true")

    def asked(self) -> list[str]:
        """Return what changes or waits, in order, without the namespace."""
        lines = (self._folder / "asked").read_text().splitlines()
        assert all(line.startswith("-n jobs ") for line in lines)
        return [line.removeprefix("-n jobs ") for line in lines if " get " not in line]

    def applied(self) -> dict:
        return yaml.safe_load((self._folder / "applied.yaml").read_text())


def position(asked: list[str], *words: str) -> int:
    [found] = [n for n, line in enumerate(asked) if all(word in line for word in words)]
    return found


@pytest.mark.parametrize("keda", [False, True])
def test_a_restore_stops_all_replaces_the_data_and_starts_all_as_it_was(tmp_path, keda):
    # Given three API pods, five workers and three Redis servers
    cluster = Cluster(tmp_path, (3, 5, 3))

    # when the newest back-up is restored
    run = cluster.restore("jobs", keda=keda)

    # then everything stops first, and the volumes are deleted once all pods are gone
    assert run.returncode == 0, run.stderr
    asked = cluster.asked()
    stopped = position(asked, "scale deployment/api deployment/worker statefulset/redis --replicas 0")
    gone = position(asked, "wait --for delete pod", "api, worker, redis")
    deleted = position(asked, "delete pvc --selector app.kubernetes.io/name=redis")
    # and one Redis is up before the restore begins
    alone, ready = (
        position(asked, "scale statefulset/redis --replicas 1"),
        asked.index("rollout status statefulset/redis --timeout 10m"),
    )
    # and no back-up of the empty Redis is made, which would be the newest
    suspended, resumed = (position(asked, "patch cronjob/backup", f'"suspend": {word}') for word in ("true", "false"))
    found, applied = (at for at, line in enumerate(asked) if line.startswith("apply"))
    # and all start again, with as many as before
    back = [
        position(asked, f"scale {name} --replicas {count}")
        for name, count in (("statefulset/redis", 3), ("deployment/api", 3), ("deployment/worker", 5))
    ]
    assert (
        found < suspended < stopped < gone < deleted < alone < ready < applied < back[0] < back[1] < back[2] < resumed
    )
    # and KEDA, which would start workers, is paused the while
    paused = [n for n, line in enumerate(asked) if "paused-replicas" in line]
    assert ([asked[n] for n in paused], paused[:1] < [stopped], paused[1:] > [back[2]] or not keda) == (
        [
            "annotate --overwrite scaledobject.keda.sh/worker autoscaling.keda.sh/paused-replicas=0",
            "annotate scaledobject.keda.sh/worker autoscaling.keda.sh/paused-replicas-",
        ]
        if keda
        else [],
        True,
        True,
    )


def test_the_job_restores_the_file_that_is_named_and_is_tried_once(tmp_path):
    cluster = Cluster(tmp_path, (2, 2, 1))

    assert cluster.restore("jobs", "/backups/jobs-20261124T021700Z.rdb").returncode == 0

    spec = cluster.applied()["spec"]
    [container] = spec["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "ops.backup", "restore", "/backups/jobs-20261124T021700Z.rdb"]
    assert spec["backoffLimit"] == 0


def test_after_failures_all_stays_stopped_and_another_try_knows_how_many_there_were(tmp_path):
    # Given two restores that failed
    cluster = Cluster(tmp_path, (3, 5, 3))
    for _ in range(2):
        run = cluster.restore("jobs", states=FAILS)
        assert run.returncode == 1
        assert "everything is stopped" in run.stderr
        assert "jobs /backups/jobs-20261124T021700Z.rdb" in run.stderr
        assert cluster.replicas() == (0, 0, 1)
        assert cluster.is_suspended()

    # when it is tried again
    assert cluster.restore("jobs").returncode == 0

    # then as many are started as there were
    assert cluster.replicas() == (3, 5, 3)
    assert not cluster.is_suspended()
    # and the next restore does not remember them
    assert not list(tmp_path.glob("*/*.noted"))


def test_without_the_back_up_nothing_is_stopped_or_deleted(tmp_path):
    cluster = Cluster(tmp_path, (3, 5, 1))

    run = cluster.restore("jobs", "s3://bucket/backups/jobs-20261124T021700Z.rdb", find=FAILS)

    assert run.returncode == 1
    assert "nothing has changed" in run.stderr
    # The first two are the ends of a pipe.
    assert {line.split()[0] for line in cluster.asked()} == {"create", "apply", "logs"}
    [container] = cluster.applied()["spec"]["template"]["spec"]["containers"]
    assert container["command"][3:] == ["find", "s3://bucket/backups/jobs-20261124T021700Z.rdb"]


def test_with_an_external_redis_nothing_is_stopped(tmp_path):
    cluster = Cluster(tmp_path, (3, 5, 1))
    (tmp_path / "statefulset" / "redis.replicas").unlink()

    assert cluster.restore("jobs").returncode == 1
    assert cluster.asked() == []


def test_what_was_stopped_on_purpose_stays_stopped(tmp_path):
    cluster = Cluster(tmp_path, (2, 0, 1))
    cluster.suspend()

    assert cluster.restore("jobs").returncode == 0
    assert cluster.replicas() == (2, 0, 1)
    assert cluster.is_suspended()


def test_the_back_up_that_was_found_is_restored_not_one_that_is_newer_by_then(tmp_path):
    cluster = Cluster(tmp_path, (2, 2, 1))

    assert cluster.restore("jobs").returncode == 0

    [container] = cluster.applied()["spec"]["template"]["spec"]["containers"]
    assert container["command"][3:] == ["restore", "/backups/jobs-20261124T021700Z.rdb"]


def test_who_may_not_read_jobs_learns_it_before_anything_stops(tmp_path):
    cluster = Cluster(tmp_path, (2, 2, 1))

    assert cluster.restore("jobs", forbidden=True).returncode == 1
    assert cluster.replicas() == (2, 2, 1)


@pytest.mark.parametrize("words", [(), ("jobs", "newest", "more"), ("jobs", 'x"]}, {"op": "remove')])
def test_wrong_words_change_nothing(tmp_path, words):
    cluster = Cluster(tmp_path, (3, 5, 1))

    assert cluster.restore(*words).returncode == 2
    assert not (tmp_path / "asked").exists()
