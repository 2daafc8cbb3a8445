"""The dataset of `DATA_SOURCE`: a file or an address, loaded by an empty request and at the start."""

from __future__ import annotations

import errno
import gzip
import io
import ipaddress
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

import jobs
import submission.data_source
import submission.source_fetch
from api import create_app
from config.settings import InvalidSetting, Settings, load
from submission.source_fetch import _is_public
from tests.conftest import eventually

CSV = b"id,v\na,1\nb,2\n"


class Handler(BaseHTTPRequestHandler):
    """Answers from a table of paths: status, headers, body."""

    pages: dict[str, tuple[int, dict[str, str], bytes]]
    stall: Event

    def do_GET(self):
        status, headers, body = self.pages[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        if self.path.startswith("/slow"):
            self.wfile.flush()
            self.stall.wait(60)

    def log_message(self, *_):
        pass


@pytest.fixture
def site() -> Iterator[Callable[..., str]]:
    """Serves pages on loopback, and gives the address of a path."""
    pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
    stall = Event()
    handler = type("Pages", (Handler,), {"pages": pages, "stall": stall})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()

    def serve(path: str, body: bytes = b"", status: int = 200, **headers: str) -> str:
        pages[path] = status, {name.replace("_", "-"): value for name, value in headers.items()}, body
        return f"http://127.0.0.1:{server.server_port}{path}"

    yield serve
    stall.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(rd):
    def build(source, **options):
        app = create_app(Settings(data_source=str(source), **options), redis_client=rd)
        return app.test_client()

    return build


@pytest.fixture
def manual(monkeypatch):
    """Loads nothing at the start."""
    monkeypatch.setattr(submission.data_source, "_load_until_loaded", lambda *_: None)


def refused(answer):
    assert answer.content_type == "application/problem+json"
    assert "DATA_SOURCE" in answer.json["detail"], answer.json
    return answer.status_code, answer.json["type"].removeprefix("/problems/")


def test_an_empty_request_loads_a_file(client, manual, tmp_path):
    file = tmp_path / "data.csv"
    file.write_bytes(CSV)
    api = client(file)

    answer = api.post("/data?id=v")

    assert answer.status_code == 201
    assert (answer.json["count"], answer.json["id"]) == (2, "v")
    assert api.get("/data").json["total"] == 2
    # a body goes before, and an empty form is none
    assert api.post("/data", data=b"id\n1\n", content_type="text/csv").json["count"] == 1
    assert api.post("/data?dry_run=yes").json["count"] == 2
    assert api.get("/data").json["total"] == 1


def test_without_a_source_an_empty_request_is_refused(client):
    assert client("").post("/data").status_code == 400


def test_an_address_is_fetched(client, manual, site):
    packed = gzip.compress(CSV)
    pages = [
        site("/data?x=1", CSV, Content_Type="text/csv; charset=utf-8"),
        site("/plain", CSV, Content_Type="text/plain"),
        site("/coded", packed, Content_Type="text/csv", Content_Encoding="gzip", Content_Length=str(len(packed))),
        site("/data.csv.gz", packed, Content_Type="application/gzip"),
        site("/list", b'[{"id": "a"}, {"id": "b"}]', Content_Type="application/json"),
    ]
    for page in pages:
        answer = client(page).post("/data")
        assert (answer.status_code, answer.json["count"]) == (201, 2), page


def test_what_cannot_be_read_names_the_setting(client, manual, site, tmp_path):
    large = site("/large", b"id\n" + b"1\n" * 1000)
    told = site("/told", b"", Content_Length=str(10**9))
    cases = {
        tmp_path / "absent.csv": (502, "bad-source"),
        tmp_path: (502, "bad-source"),
        "/dev/zero": (502, "bad-source"),
        site("/404", b"", 404): (502, "bad-source"),
        site("/short", CSV, Content_Length="400"): (502, "bad-source"),
        site("/empty"): (400, "malformed"),
        site("/page", b"<html>", Content_Type="text/html"): (415, "unsupported-media-type"),
        site("/broken", b"{", Content_Type="application/json"): (400, "malformed"),
        site("/header", b"id,v\n", Content_Type="text/csv"): (422, "invalid"),
        site("/packed", b"\x1f\x8b\x08", Content_Type="text/csv", Content_Encoding="gzip"): (400, "malformed"),
        site("/odd", CSV, Content_Encoding="br"): (415, "unsupported-media-type"),
        large: (413, "too-large"),
        told: (413, "too-large"),
    }
    for source, expected in cases.items():
        assert refused(client(source, max_body_bytes=500).post("/data")) == expected, source
    # an option of the request is named as for an upload
    answer = client(site("/csv", CSV, Content_Type="text/csv")).post("/data?id=nope")
    assert answer.json["errors"][0]["parameter"] == "id"


def test_nobody_listens(client, manual):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert refused(client(f"http://127.0.0.1:{port}/").post("/data")) == (502, "bad-source")
    assert refused(client("http://nowhere.invalid/").post("/data")) == (502, "bad-source")


def test_a_slow_answer_is_broken_off(client, manual, site):
    slow = [site("/slow", CSV, Content_Length="1000"), site("/slow-and-endless", CSV)]
    for page in slow:
        assert refused(client(page, max_load_seconds=1.0).post("/data")) == (502, "bad-source")


def test_a_server_that_says_nothing_is_left(client, manual):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for scheme in ("http", "https"):
            address = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/"
            answer = client(address, max_load_seconds=1.0).post("/data")
            assert refused(answer) == (502, "bad-source")
            assert "1 s" in answer.json["detail"]


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/data",
        "/data",
        "http://localhost/",
        "http://[::1]/",
        "http://169.254.169.254/",
        "http://10.0.0.1/",
    ],
)
def test_a_redirect_to_a_private_address_is_not_followed(client, manual, site, target):
    port = site("/data", CSV).split(":")[2].partition("/")[0]
    page = site("/redirect", b"", 302, Location=target.format(port=port))
    assert refused(client(page).post("/data")) == (502, "bad-source")


@pytest.mark.parametrize(
    "target", "file:///etc/passwd ftp://example.org/ gopher://x/ http:// http://x:0/ http://x:y/".split()
)
def test_a_redirect_to_another_scheme_is_not_followed(client, manual, site, target):
    page = site("/redirect", b"", 302, Location=target)
    assert refused(client(page).post("/data")) == (502, "bad-source")


def test_redirects_are_followed_to_public_addresses_a_few_times(client, manual, site, monkeypatch):
    monkeypatch.setattr(submission.source_fetch, "_is_public", lambda address: True)
    site("/data", CSV)
    assert client(site("/once", b"", 307, Location="/data")).post("/data").status_code == 201
    assert refused(client(site("/ever", b"", 301, Location="/ever")).post("/data")) == (502, "bad-source")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.1.2.3", False),
        ("0.0.0.0", False),
        ("10.1.1.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
    ],
)
def test_public_addresses(address, public):
    assert _is_public(ipaddress.ip_address(address)) is public


def test_the_connection_is_made_to_the_address_that_was_checked(client, manual, site, monkeypatch):
    # Given a name that is public when it is asked for the first time, and private from then on
    page = site("/redirect", b"", 302, Location="http://rebinding.example/data")
    resolve, asked = socket.getaddrinfo, []

    def rebind(host, *arguments, **options):
        if host != "rebinding.example":
            return resolve(host, *arguments, **options)
        asked.append(host)
        return resolve("192.0.2.1" if len(asked) > 1 else "8.8.8.8", *arguments, **options)

    connected = []
    connect = socket.socket.connect

    def record(self, address):
        connected.append(address[0])
        if address[0] == "127.0.0.1":
            return connect(self, address)
        raise OSError("unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    monkeypatch.setattr(socket.socket, "connect", record)
    # when it is fetched, then it is resolved once
    assert refused(client(page).post("/data")) == (502, "bad-source")
    assert (len(asked), connected[-1]) == (1, "8.8.8.8")


def test_a_full_disk_is_told(client, manual, site, monkeypatch):
    class Full(io.BytesIO):
        def writelines(self, lines):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(submission.data_source, "TemporaryFile", lambda **_: Full())
    answer = client(site("/data", CSV)).post("/data")
    assert refused(answer) == (503, "unavailable")
    assert answer.headers["Retry-After"]


def test_the_source_is_loaded_at_the_start_if_nothing_is(client, site, rd):
    api = client(site("/data", CSV))
    eventually(lambda: api.get("/data").json["dataset"])
    assert api.get("/data").json["total"] == 2
    # and replaces nothing
    api.post("/data", data=b"id\n1\n", content_type="text/csv")
    again = client(site("/data", CSV))
    settings = again.application.config["SETTINGS"]
    submission.data_source._load_until_loaded(
        again.application.extensions["store"], settings, again.application.extensions["load limits"]
    )
    assert again.get("/data").json["total"] == 1


def test_a_source_that_is_away_is_tried_again(client, site, monkeypatch, caplog):
    monkeypatch.setattr(submission.data_source, "_PAUSE_SECONDS", 0.05)
    api = client(site("/data", b"", 503))
    eventually(lambda: "data source not loaded" in caplog.text)
    assert api.get("/data").json["dataset"] is None
    site("/data", CSV)
    eventually(lambda: api.get("/data").json["dataset"])


def test_a_dataset_that_was_loaded_meanwhile_stays(rd):
    jobs.connect(Settings(), rd)
    api = create_app(redis_client=rd).test_client()
    store = api.application.extensions["store"]
    limits = api.application.extensions["load limits"]
    api.post("/data", data=b"id\n1\n", content_type="text/csv")
    loaded = submission.data_source.load_source(
        Settings(data_source=str(Path(__file__).parents[1] / "datasets/comma.csv")), limits
    )
    assert not store.publish_first(loaded)
    assert api.get("/data").json["total"] == 1


@pytest.mark.parametrize(
    "value", ["ftp://x/y", "http://", "http://user:word@x/", "http://x:99999/", "https://a b/", "://x"]
)
def test_a_source_that_cannot_be_meant_is_refused(value):
    with pytest.raises(InvalidSetting, match="a file, or an http"):
        load({"DATA_SOURCE": value})


def test_a_file_or_an_address_is_a_source():
    for value in ("data.csv", "/srv/a b.csv", "https://example.org/a?b=c", "http://[::1]:8000/x"):
        assert load({"DATA_SOURCE": value}).data_source == value
