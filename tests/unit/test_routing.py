"""Matching of requests: a host is validated once, and nothing else is remembered of it."""

from __future__ import annotations

import pytest

from api import create_app


@pytest.fixture
def client(rd):
    return create_app(redis_client=rd).test_client()


def test_requests_to_a_known_host_are_matched_by_their_own_path_method_and_query(client):
    # Given a host that was accepted before
    assert client.get("/jobs").status_code == 200

    assert client.get("/jobs?limit=0").status_code == 422
    assert client.get("/nowhere").status_code == 404
    assert client.put("/jobs").status_code == 405
    redirect = client.get("/jobs/a%20b/results/%C3%A9")
    assert redirect.status_code == 404
    assert redirect.json["type"] == "/problems/job-not-found"


def test_another_host_is_refused_after_a_known_one(client):
    for host, status in (("localhost:80", 200), ("evil.example", 403), ("LOCALHOST:80", 200), ("evil.example", 403)):
        assert client.get("/health", headers={"Host": host}).status_code == status


def test_a_route_is_no_websocket(client):
    for _ in range(2):
        answer = client.get("/health", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
        assert answer.status_code == 400
    assert client.get("/health").status_code == 200
