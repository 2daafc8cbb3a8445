"""Bodies of ``POST /data`` that are small on the wire and large in memory."""

from __future__ import annotations

import io
import time
import zlib
from collections.abc import Callable
from functools import partial

import polars as pl

from tests.hostile.client import Response, at_once
from tests.hostile.scenario import scenario
from tests.hostile.service import Service

__all__: list[str] = []

MIB = 2**20
_DONE = {200, 201}
_REFUSED = {400, 413, 415, 422, 503}
_PATH = "a" * 500_000
_RETRIES = 30


def _assert_answered(answers: list[Response], allowed: set[int]) -> None:
    statuses = [answer.status for answer in answers]
    assert set(statuses) <= allowed, f"answered {statuses}, expected of {sorted(allowed)}"


@scenario(1, "JSON whose members copy the path to them")
def copied_paths(service: Service) -> None:
    members = ",".join(f'"{number}":0' for number in range(50_000))
    lists = ",".join(f'"{number}":[]' for number in range(40_000))
    records = ",".join(f'"{number}":[{{"x":1}}]' for number in range(30_000))
    deep = f'"{_PATH[:100_000]}":{{' * 9
    bodies = [
        f'{{"{_PATH}":{{{members}}}}}',
        f'{{"{_PATH}":{{{lists}}}}}',
        f'{{"{_PATH}":{{{records}}}}}',
        f'[{{"{_PATH}":{{{members}}}}}]',
        f"{{{deep}{members}{'}' * 9}}}",
        f'{{"x":[{{"{_PATH}":{{{members}}}}},{{"{_PATH}":{{{lists}}}}}]}}',
    ]
    answers = [service.client.load(body.encode(), "application/json") for body in bodies]
    answers += [service.client.load(bodies[0].encode(), "application/x-ndjson")]
    answers += at_once([partial(service.client.load, body.encode(), "application/json") for body in bodies])
    _assert_answered(answers, _DONE | _REFUSED)


def _parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, compression="zstd")
    return file.getvalue()


@scenario(3, "nested Parquet of kilobytes that unpacks to hundreds of MB, then GET /data")
def nested_parquet(service: Service) -> None:
    text, ids = "x" * 1000, pl.Series("id", [1])
    bombs = [
        pl.DataFrame([ids, pl.Series("a", [[text] * 300_000])]),
        pl.DataFrame([ids, pl.Series("a", [[[text] * 1000] * 300])]),
        pl.DataFrame([ids, pl.Series("a", [[{"b": text}] * 300_000])]),
        pl.DataFrame({"id": range(300), "a": [[text] * 1000] * 300}),
        pl.DataFrame({"id": range(300_000), "a": [text] * 300_000}),
    ]
    for frame in bombs:
        body = _parquet(frame)
        assert len(body) < MIB, f"the bomb has {len(body)} bytes"
        answers = [service.client.load(body, "application/vnd.apache.parquet")]
        answers += [service.client.load(body, "application/vnd.apache.parquet", "?dry_run=yes")]
        answers += [service.client.ask("/data?limit=1000"), service.client.ask("/data?search=y")]
        _assert_answered(answers, _DONE | _REFUSED)


@scenario(5, "lists of millions of empty members, to /jobs and /data, four at once")
def empty_members(service: Service) -> None:
    size = 16 * MIB - 10
    for member in ("{}", "[]", "1", '"a"'):
        body = f"[{','.join([member] * (size // (len(member) + 1)))}]".encode()
        answers = at_once([partial(service.client.ask, "/jobs", body)] * 4)
        _assert_answered(answers, _REFUSED)
        _assert_answered([service.client.load(body, "application/json")], _DONE | _REFUSED)


def _gzipped(head: bytes, part: bytes, times: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return packer.compress(head) + b"".join(packer.compress(part) for _ in range(times)) + packer.flush()


@scenario(6, "ten gzip bodies of some 250 kB, each 256 MB unpacked, at once")
def gzip_bombs(service: Service) -> None:
    rows = b"1,%s\n" % (b"x" * 1000)
    bombs = [
        (_gzipped(b"id,text\n", rows * 1000, 254), "text/csv"),
        (_gzipped(b"[", b" " * MIB, 255), "application/json"),
        (_gzipped(b"", b'{"a":1}\n' * 2**17, 255), "application/x-ndjson"),
    ]
    for (body, media_type), times in zip(bombs, (10, 2, 2), strict=True):
        load = partial(service.client.load, body, media_type, timeout=120, content_encoding="gzip")
        _assert_answered(at_once([load] * times), _DONE | _REFUSED)


def _honest_csv() -> bytes:
    """Return some 200 MB of numbers and words, every row with another identifier."""
    block = "".join(
        f"%d{row:03},{row * 0.09:.4f},{row * 0.18:.4f},{row % 9}.5,place {row} and more\n" for row in range(1000)
    )
    copies = 200_000_000 // (len(block) + 1000)
    return (
        "id,latitude,longitude,magnitude,place\n" + "".join(block.replace("%d", f"{n + 1}") for n in range(copies))
    ).encode()


def _loaded_at_last(load: Callable[[], Response]) -> Response:
    """Send a body and retry as Retry-After asks; return the last response."""
    for _ in range(_RETRIES):
        answer = load()
        if answer.status != 503:
            break
        time.sleep(min(5.0, float(answer.headers.get("retry-after", 1))))
    return answer


@scenario(6, "two honest CSVs of 200 MB at once load; of ten at once each loads or is 503")
def honest_csvs(service: Service) -> None:
    body = _honest_csv()
    load = partial(service.client.load, body, timeout=120)
    _assert_answered(at_once([partial(_loaded_at_last, load)] * 2), {201})
    answers = at_once([load] * 10)
    _assert_answered(answers, {201, 503})
    assert all("retry-after" in answer.headers for answer in answers if answer.status == 503), "503 without Retry-After"
    assert service.client.ask("/data?limit=1").json()["total"] > 1_000_000, "the rows are not there"


@scenario(10, "hundreds of filters in one URL on 2.5 million rows")
def many_filters(service: Service) -> None:
    rows = "".join(f"{number},n{number % 1000}\n" for number in range(2_500_000))
    _assert_answered([_loaded_at_last(partial(service.client.load, f"id,name\n{rows}".encode()))], {201})
    _assert_answered([service.client.ask("/data?limit=1&" + "&".join(["name=s"] * 900))], {414, 422})
    _assert_answered([service.client.ask("/data?limit=1&" + "&".join(["name=s"] * 51))], {422})
    fifty = partial(service.client.ask, "/data?limit=1&" + "&".join(["name=n1"] * 50))
    _assert_answered(at_once([fifty] * 4), {200, 503})
    columns = {"start": None, "end": None, "analysis": "summary", "params": {"columns": ["name"] * 100_000}}
    _assert_answered([service.client.post_jobs(columns)], {202, 413, 422})
