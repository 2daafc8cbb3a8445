"""The mixed load of a soak: clients that send all kinds of requests.

A client repeats a request that got no response, under the same idempotency key. All responses are recorded and compared
with the final state.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

__all__ = ["Load"]

_ENDED = ("complete", "failed", "cancelled")
_KEPT = 400
_PATIENCE_SECONDS = 60.0


class Load:
    """Clients in threads, until :meth:`stop`. ``told`` counts the responses by request and status."""

    def __init__(self, api: httpx.Client, folder: Path, seed: int, clients: int = 4) -> None:
        self.accepted: set[str] = set()
        self.cancelled: set[str] = set()
        self.deleted: set[str] = set()
        self.told: Counter[str] = Counter()
        self.complaints: list[str] = []
        self._api = api
        self._folder = folder
        self._recent: list[str] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._play, args=(random.Random(f"{seed} {n}"),), name=f"client {n}")
            for n in range(clients)
        ]

    def start(self) -> None:
        """Start the clients."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the clients after their current requests."""
        self._over.set()
        for thread in self._threads:
            thread.join(_PATIENCE_SECONDS + 60)

    def _play(self, dice: random.Random) -> None:
        verbs = [self._add] * 8 + [self._add_many, self._cancel, self._delete, self._retry, self._read, self._read]
        verbs += [self._wait, self._post_data] if dice.random() < 0.5 else [self._wait]
        while not self._over.wait(dice.uniform(0.02, 0.4)):
            try:
                dice.choice(verbs)(dice)
            except Exception as error:  # a client that died unnoticed would weaken the test
                self.complaints.append(f"{type(error).__name__}: {error}")

    # ------------------------------------------------------------------------------------------------ what is asked

    def _job(self, dice: random.Random) -> dict[str, Any]:
        job: dict[str, Any] = {"start": None, "end": None, "priority": dice.choice(["low", "normal", "high"])}
        job["max_attempts"] = 20
        if dice.random() < 0.25:
            job["delay"] = dice.uniform(0.1, 4)
        if dice.random() < 0.2:
            return {**job, "analysis": "summary"}
        params: dict[str, Any] = {"ran": str(self._folder / f"{uuid.UUID(int=dice.getrandbits(128))}.ran")}
        match dice.choice(["short"] * 7 + ["failing", "faltering", "endless", "large"]):
            case "short":
                params["seconds"] = dice.uniform(0, 0.2)
            case "failing":
                params["raises"] = 1000
                job["max_attempts"] = dice.choice([1, 2])
            case "faltering":
                params["raises"] = 1
            case "endless":
                params["seconds"] = 3600.0
                job |= {"timeout": 0.5, "max_attempts": dice.choice([1, 2])}
            case "large":
                params["megabytes"] = 2
        return {**job, "analysis": "trial", "params": params}

    def _add(self, dice: random.Random) -> None:
        self._submit(dice, self._job(dice))

    def _add_many(self, dice: random.Random) -> None:
        self._submit(dice, [self._job(dice) for _ in range(dice.randint(1, 12))])

    def _submit(self, dice: random.Random, body: Any) -> None:
        answer = self._ask(dice, "POST", "/jobs", {202, 409}, json=body)
        if answer is not None and answer.status_code == 202:
            made = answer.json() if isinstance(body, list) else [answer.json()]
            if len(made) != (len(body) if isinstance(body, list) else 1):
                self.complaints.append(f"{len(made)} jobs were made of {body}")
            self._note(*(job["id"] for job in made))

    def _cancel(self, dice: random.Random) -> None:
        if jid := self._one(dice):
            answer = self._ask(dice, "POST", f"/jobs/{jid}/cancel", {200, 409, 404})
            if answer is not None and answer.status_code == 200:
                self.cancelled.add(jid)

    def _delete(self, dice: random.Random) -> None:
        if jid := self._one(dice):
            # It may be deleted even if no response arrived.
            if self._ask(dice, "GET", f"/jobs/{jid}", {200, 404}, ended_only=True) is None:
                return
            self.deleted.add(jid)
            self._ask(dice, "DELETE", f"/jobs/{jid}", {204, 404, 409})

    def _retry(self, dice: random.Random) -> None:
        if jid := self._one(dice):
            answer = self._ask(dice, "POST", f"/jobs/{jid}/retry", {202, 404, 409})
            if answer is not None and answer.status_code == 202:
                self._note(answer.json()["id"])

    def _read(self, dice: random.Random) -> None:
        path = dice.choice(["/jobs?limit=20", "/jobs?status=failed&limit=5", "/stats", "/workers", "/data?limit=3"])
        self._ask(dice, "GET", path, {200})

    def _wait(self, dice: random.Random) -> None:
        if jid := self._one(dice):
            answer = self._ask(dice, "GET", f"/jobs/{jid}?wait=2", {200, 404})
            if answer is not None and answer.status_code == 200 and answer.json()["status"] == "complete":
                self._compare(dice, answer.json())

    def _compare(self, dice: random.Random, job: dict[str, Any]) -> None:
        results = self._ask(dice, "GET", f"/jobs/{job['id']}/results", {200, 404})
        if results is None or (results.status_code == 404 and job["id"] in self.deleted):
            return
        if results.status_code == 404 or results.json()["attempt"] != job["attempt"]:
            self.complaints.append(f"the results of {job['id']} are not those of its attempt {job['attempt']}")

    def _post_data(self, dice: random.Random) -> None:
        rows = "".join(f"{n},{dice.random()}\n" for n in range(dice.randint(1, 2000)))
        self._ask(dice, "POST", "/data", {201}, content="id,x\n" + rows, headers={"Content-Type": "text/csv"})

    # --------------------------------------------------------------------------------------------------- how

    def _ask(
        self,
        dice: random.Random,
        method: str,
        path: str,
        expected: set[int],
        *,
        ended_only: bool = False,
        **request: Any,
    ) -> httpx.Response | None:
        """Send a request, repeatedly if necessary, and return the response."""
        key = {"Idempotency-Key": f"{dice.getrandbits(128):x}"} if method == "POST" else {}
        request["headers"] = {**request.get("headers", {}), **key}
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < give_up:
            try:
                answer = self._api.request(method, path, **request)
            except httpx.TransportError:
                self._count(method, path, "no answer")
                time.sleep(0.2)
                continue
            self._count(method, path, str(answer.status_code))
            if answer.status_code == 503:
                time.sleep(0.2)
                continue
            if answer.status_code not in expected:
                self.complaints.append(f"{method} {path} was answered with {answer.status_code}: {answer.text[:300]}")
            if ended_only and (answer.status_code != 200 or answer.json()["status"] not in _ENDED):
                return None
            return answer
        self.complaints.append(f"{method} {path} was not answered within {_PATIENCE_SECONDS} s")
        return None

    def _count(self, method: str, path: str, came: str) -> None:
        parts = [part for part in path.split("?")[0].split("/") if part and len(part) < 30]
        with self._lock:
            self.told[f"{method} /{'/…/'.join(parts)} {came}"] += 1

    def _note(self, *ids: str) -> None:
        with self._lock:
            self.accepted.update(ids)
            self._recent = [*self._recent, *ids][-_KEPT:]

    def _one(self, dice: random.Random) -> str | None:
        with self._lock:
            return dice.choice(self._recent) if self._recent else None
