"""The memory that requests share: reserved, refused beyond its total, and returned."""

from __future__ import annotations

import pytest
from flask import Flask

from web import budget, problems
from web.problems import Problem


def test_a_reservation_beyond_the_total_is_refused_and_one_that_ended_is_not_counted():
    memory = budget.MemoryBudget(100)
    with memory.reserved(60):
        with pytest.raises(Problem) as refused, memory.reserved(41):
            pass
        assert refused.value.status == 503
        assert refused.value.headers["Retry-After"]
    assert memory.used == 0


def test_a_request_holds_its_reservation_until_its_response_is_sent():
    # Given a budget of 1 MiB and a route that reserves what it is asked for
    app = Flask(__name__)
    problems.install(app)
    budget.install(app, 2**20)

    @app.get("/<int:size>")
    def use(size: int) -> str:
        budget.reserve(size)
        return "ok"

    client, memory = app.test_client(), app.extensions["budget"]

    # When one response is not read to its end yet
    first = client.get("/900000", buffered=False)
    assert (first.status_code, memory.used) == (200, 900_000)

    # Then there is no room for another large one, but for small ones
    assert client.get("/900000").status_code == 503
    assert client.get("/1000").status_code == 200

    # And there is once it was sent
    first.close()
    assert memory.used == 0
    assert client.get("/900000").status_code == 200


def test_what_a_request_holds_is_free_once_its_response_is_made():
    # Given a route that holds memory while it works
    app = Flask(__name__)
    problems.install(app)
    budget.install(app, 2**20)

    @app.get("/<int:size>")
    def work(size: int) -> str:
        budget.hold(size)
        budget.hold(size)
        return "ok"

    client, memory = app.test_client(), app.extensions["budget"]

    # When its response is made, though not sent, or refused halfway
    for size, status in ((500_000, 200), (800_000, 503)):
        assert client.get(f"/{size}", buffered=False).status_code == status

        # Then all is free
        assert memory.used == 0
