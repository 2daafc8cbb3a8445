"""Calls for jobs: submit, wait, read, act on one or on all that match."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, overload
from urllib.parse import quote

from client.errors import ApiError
from client.model import ENDED, Analysis, Counts, Job, Results, Stats, Worker
from client.paging import pages
from client.transport import Transport

__all__ = ["JobCalls"]

_LONG_POLL = 60  # seconds: the most that the API holds an answer
_MARGIN = 30.0
_TICK = 1.0
_OVERLAP = 2000  # characters by which a log that lost its beginning is recognized

OnProgress = Callable[[Job], None]


class JobCalls(Transport):
    """The calls of ``/jobs`` and the rest. Each raises ApiError where the API refuses it or cannot be reached."""

    @overload
    def submit(
        self, jobs: str | Mapping[str, Any] = ..., *, idempotency_key: str | None = ..., **members: Any
    ) -> Job: ...

    @overload
    def submit(self, jobs: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = ...) -> Sequence[Job]: ...

    def submit(
        self,
        jobs: str | Mapping[str, Any] | Sequence[Mapping[str, Any]] = "summary",
        *,
        idempotency_key: str | None = None,
        **members: Any,
    ) -> Job | Sequence[Job]:
        """Submit a job, or a list of jobs (all or none), and return it with its id.

        :param jobs: the name of an analysis with ``members`` of the job (``params``, ``start``, ``end``, ``index``,
            ``where``, ``search``, ``priority``, ``tags``, ``timeout``, ``max_attempts``, ``delay``, ``run_at``); or a
            whole job, or a list of jobs.
        :param idempotency_key: with the same key, the same request makes no second job for 24 hours. By default a new
            one for each call, so that a repetition after a lost connection makes no second job.
        """
        body: Any = {"analysis": jobs, **members} if isinstance(jobs, str) else jobs
        return self._post("/jobs", idempotency_key, json=body)

    def submit_ids(self, jobs: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None) -> Sequence[str]:
        """Submit a list of jobs (all or none) and return only their ids: of a long list, a fraction of the answer."""
        response = self._post("/jobs", idempotency_key, {"Prefer": "return=minimal"}, json=list(jobs))
        # A server may ignore a preference (RFC 7240).
        return response["ids"] if isinstance(response, dict) else [job["id"] for job in response]

    def job(self, job_id: str) -> Job:
        """Return a job."""
        return self.request("GET", _path(job_id)).json()

    @overload
    def wait(  # type: ignore[overload-overlap]  # a text is a sequence of texts
        self, job_ids: str, *, timeout: float | None = ..., on_progress: OnProgress | None = ...
    ) -> Job: ...

    @overload
    def wait(
        self, job_ids: Sequence[str], *, timeout: float | None = ..., on_progress: OnProgress | None = ...
    ) -> Sequence[Job]: ...

    def wait(
        self, job_ids: str | Sequence[str], *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Job | Sequence[Job]:
        """Wait until a job, or each of several, has ended, and return it; look at its ``status``.

        :param on_progress: called with each job about once a second, and at its end.
        :raises TimeoutError: not all had ended after ``timeout`` seconds.
        """
        ids = [job_ids] if isinstance(job_ids, str) else list(job_ids)
        deadline = None if timeout is None else time.monotonic() + timeout
        ended: dict[str, Job] = {}
        while pending := [job_id for job_id in dict.fromkeys(ids) if job_id not in ended]:
            left = float(_LONG_POLL) if deadline is None else max(deadline - time.monotonic(), 0.0)
            # The first of a round is held, which paces the round; the others are asked for as they are.
            for job_id in pending[: 1 if on_progress is None else None]:
                held = min(left, _LONG_POLL if on_progress is None else _TICK) if job_id == pending[0] else 0.0
                job = self._held(job_id, held)
                if on_progress is not None:
                    on_progress(job)
                if job["status"] in ENDED:
                    ended[job_id] = job
            if left == 0 and any(job_id not in ended for job_id in ids):
                raise TimeoutError(f"{len(set(ids) - ended.keys())} of the jobs had not ended after {timeout:g} s.")
        return ended[ids[0]] if isinstance(job_ids, str) else [ended[job_id] for job_id in ids]

    def _held(self, job_id: str, seconds: float) -> Job:
        """Return the job after at most ``seconds``; an API whose places for waiters are taken answers at once."""
        if not seconds:
            return self.job(job_id)
        asked = time.monotonic()
        query = {"wait": f"{seconds:.3f}"}
        job: Job = self.request("GET", _path(job_id), params=query, timeout=seconds + _MARGIN).json()
        if job["status"] not in ENDED:
            time.sleep(max(min(seconds, _TICK) - (time.monotonic() - asked), 0.0))
        return job

    def results(self, job_id: str) -> Results:
        """Return the results of a complete job."""
        return self.request("GET", _path(job_id, "results")).json()

    def artifact(self, job_id: str, name: str) -> bytes:
        """Return a plot or a table of the results: ``plot.png``, ``plot.svg``, ``table.csv``."""
        return self.request("GET", _path(job_id, "results", name)).content

    def log(self, job_id: str) -> str:
        """Return what the job printed and logged: of each attempt the last 64 KiB."""
        return self.request("GET", _path(job_id, "log")).text

    def follow_log(self, job_id: str) -> Iterator[str]:
        """Iterate over the log's text as it grows, until the job has ended."""
        seen = ""
        while True:
            has_ended = self.job(job_id)["status"] in ENDED
            text = self.log(job_id)
            if added := _added(seen, text):
                yield added
            if has_ended:
                return
            seen = text
            self._held(job_id, _TICK)

    def cancel(self, job_id: str) -> Job:
        """Cancel an unfinished job; a running one is stopped within two seconds."""
        return self.request("POST", _path(job_id, "cancel"), repeatable=True).json()

    def retry(self, job_id: str, *, idempotency_key: str | None = None) -> Job:
        """Submit an ended job again, on today's dataset, and return the new job."""
        return self._post(_path(job_id, "retry"), idempotency_key)

    def delete(self, job_id: str) -> None:
        """Delete an ended job with its results."""
        self.request("DELETE", _path(job_id))

    def cancel_all(self, **filters: str | None) -> Counts:
        """Cancel all jobs that match; at least one filter of :meth:`list` is needed."""
        return self._act_on_all("POST", "/jobs/cancel", filters)

    def retry_all(self, **filters: str | None) -> Counts:
        """Submit all ended jobs that match again; at least one filter of :meth:`list` is needed."""
        return self._act_on_all("POST", "/jobs/retry", filters)

    def delete_all(self, **filters: str | None) -> Counts:
        """Delete all ended jobs that match; at least one filter of :meth:`list` is needed."""
        return self._act_on_all("DELETE", "/jobs", filters)

    def analyses(self) -> Sequence[Analysis]:
        """Return the analyses, with the JSON Schemas of their parameters."""
        return self.request("GET", "/analyses").json()["analyses"]

    def analysis(self, name: str) -> Analysis:
        """Return one analysis."""
        return self.request("GET", f"/analyses/{quote(name, safe='')}").json()

    def workers(self) -> Sequence[Worker]:
        """Return the live workers, with the job that each holds."""
        return self.request("GET", "/workers").json()["workers"]

    def stats(self) -> Stats:
        """Return the queue's length, jobs by status, the longest wait and the throughput of the last minute."""
        return self.request("GET", "/stats").json()

    def list(self, *, limit: int | None = None, **filters: str | None) -> Iterator[Job]:
        """Iterate over the jobs that match, newest first, page by page.

        :param limit: the most jobs to return; None returns all.
        :param filters: ``status``, ``analysis``, ``tag``, ``owner``, ``search``, ``created_after``, ``created_before``
            (RFC 3339) and ``order="asc"``.
        """
        return pages(self, "/jobs", "jobs", [*_given(filters).items()], limit)

    def _post(
        self, path: str, idempotency_key: str | None, preferences: Mapping[str, str] | None = None, **options: Any
    ) -> Any:
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4()), **(preferences or {})}
        return self.request("POST", path, headers=headers, repeatable=True, **options).json()

    def _act_on_all(self, method: str, path: str, filters: Mapping[str, str | None]) -> Counts:
        """Act on all that match; of many, wait for the operation's end."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        response = self.request(method, path, params=_given(filters), headers=headers, repeatable=True)
        found: dict[str, Any] = response.json()
        if response.status_code == 202:
            operation = f"/operations/{response.headers['Location'].rpartition('/')[2]}"
            while (found := self.request("GET", operation).json())["status"] not in ENDED:
                time.sleep(_TICK)
            if found["status"] != "complete":
                raise ApiError(
                    f"{operation} is {found['status']}, with {found['done']} of {found['matched']} jobs done."
                )
        return Counts(matched=found["matched"], done=found["done"], skipped=found.get("skipped", 0))


def _path(job_id: str, *more: str) -> str:
    return "/".join(["/jobs", *(quote(part, safe="") for part in (job_id, *more))])


def _given(filters: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in filters.items() if value is not None}


def _added(seen: str, text: str) -> str:
    """Return the text after ``seen``; where the beginning of the log was dropped, after its last known part."""
    if text.startswith(seen):
        return text[len(seen) :]
    _, found, tail = text.rpartition(seen[-_OVERLAP:])
    return tail if found else text
