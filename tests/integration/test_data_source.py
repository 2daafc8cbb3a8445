"""The dataset of `DATA_SOURCE`, loaded by a real API."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.conftest import ROOT, eventually


class Quiet(SimpleHTTPRequestHandler):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, directory=str(ROOT / "samples"), **options)

    def log_message(self, *_):
        pass


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve the samples on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def site():
    with serving() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def secure_site(tmp_path):
    """Serve them by TLS; return the address, and the certificate to trust."""
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=localhost"
    words += " -addext subjectAltName=DNS:localhost"
    subprocess.run(["openssl", *words.split()], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with serving(context) as port:
        yield f"https://localhost:{port}", tmp_path / "cert.pem"


def test_a_server_with_a_trusted_certificate_is_fetched_from(start_api, secure_site):
    address, certificate = secure_site
    api = start_api(DATA_SOURCE=f"{address}/earthquakes.csv", SSL_CERT_FILE=certificate)
    assert api.post("/data").status_code == 201
    # and from no other, nor by another name
    api = start_api(DATA_SOURCE=f"{address}/earthquakes.csv")
    assert "certificate" in api.post("/data").json()["detail"]
    other = address.replace("localhost", "127.0.0.1")
    api = start_api(DATA_SOURCE=f"{other}/earthquakes.csv", SSL_CERT_FILE=certificate)
    assert "certificate" in api.post("/data").json()["detail"]


def test_a_file_is_loaded_at_the_start_and_on_request(start_api, start):
    # Given an API with a source, and no dataset
    api = start_api(DATA_SOURCE=ROOT / "samples" / "seattle-weather.csv")
    # then it loads the source
    eventually(lambda: api.get("/data").json()["dataset"])
    assert api.get("/data").json()["total"] == 1461
    eventually(lambda: "data source loaded version=" in start.started[-1].log.read_text())
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
