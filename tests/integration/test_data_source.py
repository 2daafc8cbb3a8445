"""The dataset of `DATA_SOURCE`, loaded by a real API."""

from __future__ import annotations

from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.conftest import ROOT, eventually


@pytest.fixture
def site():
    """Serve the samples on loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, directory=str(ROOT / "samples"), **options)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_is_loaded_at_the_start_and_on_request(start_api):
    # Given an API with a source, and no dataset
    api = start_api(DATA_SOURCE=ROOT / "samples" / "seattle-weather.csv")
    # then it loads the source
    eventually(lambda: api.get("/data").json()["dataset"])
    assert api.get("/data").json()["total"] == 1461
    # and again when it is asked to
    api.delete("/data")
    answer = api.post("/data")
    assert (answer.status_code, answer.json()["count"]) == (201, 1461)


def test_an_address_is_loaded_by_all_processes_once(start_api, site):
    apis = [start_api(DATA_SOURCE=f"{site}/earthquakes.csv") for _ in range(2)]
    for api in apis:
        eventually(lambda api=api: api.get("/data").json()["dataset"])
    versions = {api.get("/data").json()["dataset"]["version"] for api in apis}
    assert len(versions) == 1


def test_an_api_starts_though_its_source_is_away(start_api, site):
    api = start_api(DATA_SOURCE=f"{site}/absent.csv")
    answer = api.post("/data")
    assert (answer.status_code, answer.json()["type"]) == (502, "/problems/bad-source")
    assert "DATA_SOURCE" in answer.json()["detail"]
    assert api.post("/data", content=b"id\n1\n").status_code == 201
