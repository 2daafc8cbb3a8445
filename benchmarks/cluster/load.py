"""The load: clients on one host that submit jobs at a steady rate and know the addresses of both APIs."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.cluster.services import Cluster
from client import ApiError, Client

__all__ = ["JOB_SECONDS", "Load"]

JOB_SECONDS = 0.5
_CLIENTS = 8
_PAUSE_SECONDS = 0.1  # before a request is repeated at the other address
_GIVE_UP_SECONDS = 60.0
_PASSING = (None, 429, 503)


class Load:
    """Submits ``rate`` sleeping jobs a second, each by a request that is repeated with its key until it is accepted."""

    def __init__(self, cluster: Cluster, rate: float) -> None:
        self.rate = rate
        self.accepted: dict[str, float] = {}
        """Time of acceptance by job id."""
        self.repeated = 0
        self.failures: list[str] = []
        # Making a client takes long: it reads the system's certificates.
        self._clients = [[cluster.client(host) for host in cluster.apis] for _ in range(_CLIENTS)]
        self._lock = threading.Lock()
        self._next = time.monotonic()
        self._over = threading.Event()

    @contextmanager
    def going(self) -> Iterator[None]:
        """Submit jobs during the block; at its end, those that are being submitted are accepted."""
        threads = [threading.Thread(target=self._submit_all, args=(n,)) for n in range(_CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _submit_all(self, number: int) -> None:
        clients = self._clients[number]
        if number % 2:
            clients.reverse()
        while not self._over.wait(self._claim_turn()):
            try:
                self._submit(clients)
            except ApiError as error:
                self.failures.append(str(error))
        for client in clients:
            client.close()

    def _claim_turn(self) -> float:
        """Return the seconds until the next job is due; those that an outage prevented are not made up for."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + 1 / self.rate
        return turn - now

    def _submit(self, clients: list[Client]) -> None:
        """Submit a job; an API that does not answer goes to the end of the list.

        :raises ApiError: the job is refused, or no API has accepted it for a minute.
        """
        key, give_up = str(uuid.uuid4()), time.monotonic() + _GIVE_UP_SECONDS
        while True:
            try:
                job = clients[0].submit("sleep", idempotency_key=key, params={"seconds": JOB_SECONDS})
            except ApiError as error:
                if error.status not in _PASSING or time.monotonic() > give_up:
                    raise
                clients.append(clients.pop(0))
                with self._lock:
                    self.repeated += 1
                time.sleep(_PAUSE_SECONDS)
            else:
                self.accepted[job["id"]] = time.time()
                return
