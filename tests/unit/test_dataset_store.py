"""The dataset in Redis: replaced atomically, kept while jobs pin it, decoded once per process."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import fakeredis
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

import dataset.arrow_chunks
import dataset.table_cache
from dataset import LoadOptions, NotCurrent, Store, Table, VersionNotFound, ingest


class RecordingRedis(fakeredis.FakeRedis):
    """A client that records its commands, and loses or rejects uploads on demand."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sent: list[str] = []
        self.lost_uploads = 0
        self.full = False

    def execute_command(self, *args: Any, **options: Any) -> Any:
        self.sent.append(args[0])
        if args[0] == "SET" and self.full:
            raise redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
        if args[0] == "SET" and self.lost_uploads:
            self.lost_uploads -= 1
            return True
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


@pytest.fixture
def rd() -> RecordingRedis:
    return RecordingRedis(server=fakeredis.FakeServer(server_type="valkey"))


@pytest.fixture
def store(rd: RecordingRedis) -> Store:
    return Store(rd)


def table(*values: object) -> Table:
    return ingest(json.dumps([{"v": value, "s": "x" * 100} for value in values]).encode(), "application/json")


def keys(rd: redis.Redis) -> set[str]:
    found: Any = rd.keys("*")
    return {key.decode() for key in found}


def version_keys(*tables: Table, chunks: int = 1) -> set[str]:
    versions = [f"data.{one.description.version}" for one in tables]
    return {*versions, *(f"{version}.{number}" for version in versions for number in range(chunks))}


def test_nothing_is_loaded_at_first(store: Store) -> None:
    assert store.current() is None
    store.clear()


def test_a_published_version_is_current_for_every_process(rd: RecordingRedis, store: Store) -> None:
    one = table(1, 2, 3)

    assert store.publish(one) == one.description

    other = Store(rd)
    assert other.current() == one.description
    assert other.describe(one.description.version) == one.description
    assert other.table(one.description.version).frame.equals(one.frame)
    assert keys(rd) == {"data.current"} | version_keys(one)
    assert {rd.ttl(key) for key in keys(rd)} == {-1}
    assert rd.hget(f"data.{one.description.version}", "pins") == b"0"


def test_a_new_dataset_replaces_the_old_one(rd: RecordingRedis, store: Store) -> None:
    old, new = table(1), table(2)
    store.publish(old)

    store.publish(new)

    assert store.current() == new.description
    assert keys(rd) == {"data.current"} | version_keys(new)
    with pytest.raises(VersionNotFound):
        store.describe(old.description.version)


def test_only_the_version_that_is_named_is_replaced_or_unloaded(store: Store) -> None:
    old, new, other = table(1), table(2), table(3)
    version = old.description.version
    store.publish(old)
    store.publish(new, replaces=version)
    # A call whose answer was lost is repeated.
    store.publish(new, replaces=version)
    with pytest.raises(NotCurrent):
        store.publish(other, replaces=version)
    with pytest.raises(NotCurrent):
        store.clear(only=version)
    assert store.current() == new.description

    for _ in range(2):
        store.clear(only=new.description.version)
    assert store.current() is None


def test_publishing_the_same_version_again_changes_only_its_time_of_loading(rd: RecordingRedis, store: Store) -> None:
    first = store.publish(table(1))
    rd.hincrby(f"data.{first.version}", "pins", 2)

    later = first.loaded + dt.timedelta(hours=1)
    again = Store(rd).publish(Table(replace(first, loaded=later), table(1).frame))

    assert again == replace(first, loaded=later)
    assert store.current() == again
    assert rd.hget(f"data.{first.version}", "pins") == b"2"
    assert keys(rd) == {"data.current"} | version_keys(table(1))


def test_a_version_pinned_by_jobs_stays(rd: RecordingRedis, store: Store) -> None:
    pinned, new = table(1), table(2)
    store.publish(pinned)
    rd.hincrby(f"data.{pinned.description.version}", "pins", 1)

    store.publish(new)
    store.clear()

    assert store.current() is None
    assert keys(rd) == version_keys(pinned)
    assert Store(rd).table(pinned.description.version).frame.equals(pinned.frame)


def test_clear_deletes_an_unpinned_version_and_is_idempotent(rd: RecordingRedis, store: Store) -> None:
    store.publish(table(1))

    store.clear()
    store.clear()

    assert keys(rd) == set()


def test_a_failed_upload_leaves_the_old_dataset_and_expires(
    rd: RecordingRedis, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset.arrow_chunks, "_CHUNK_BYTES", 150)
    old, new = table(1), table(2, 3, 4)
    store.publish(old)
    upload = rd.set

    def fill_up(*args: Any, **options: Any) -> Any:
        answer = upload(*args, **options)
        rd.full = True
        return answer

    monkeypatch.setattr(rd, "set", fill_up)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        store.publish(new)

    assert store.current() == old.description
    assert keys(rd) == {"data.current", f"data.{new.description.version}.0"} | version_keys(old)
    assert 0 < int(str(rd.ttl(f"data.{new.description.version}.0"))) <= 3600


def test_chunks_lost_before_publishing_are_uploaded_again(rd: RecordingRedis, store: Store) -> None:
    rd.lost_uploads = 2

    assert store.publish(table(1)) == store.current()
    assert Store(rd).table(table(1).description.version).frame.equals(table(1).frame)


def test_publishing_fails_when_chunks_are_lost_repeatedly(rd: RecordingRedis, store: Store) -> None:
    old = store.publish(table(1))
    rd.lost_uploads = 100

    with pytest.raises(VersionNotFound, match="again"):
        store.publish(table(2))
    assert store.current() == old


def test_rows_are_split_into_chunks_and_joined_in_order(
    rd: RecordingRedis, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset.arrow_chunks, "_CHUNK_BYTES", 300)
    one = table(*range(100))

    store.publish(one)

    chunks = int(str(rd.hget(f"data.{one.description.version}", "chunks"), "ascii"))  # type: ignore[arg-type]
    assert chunks > 10
    assert keys(rd) == {"data.current"} | version_keys(one, chunks=chunks)
    assert Store(rd).table(one.description.version).frame["v"].to_list() == list(range(100))
    store.clear()
    assert keys(rd) == set()


@pytest.mark.parametrize("version", ["0" * 32, "current", "", "x.0", "0" * 32 + "\n", "\ud800", "Z" * 32])
def test_an_unknown_version_is_not_found(store: Store, version: str) -> None:
    store.publish(table(1))

    for ask in (store.describe, store.table):
        with pytest.raises(VersionNotFound):
            ask(version)


def test_a_version_with_a_missing_chunk_is_not_found(rd: RecordingRedis, store: Store) -> None:
    version = store.publish(table(1)).version
    rd.delete(f"data.{version}.0")

    with pytest.raises(VersionNotFound):
        Store(rd).table(version)


def test_current_takes_one_round_trip(rd: RecordingRedis, store: Store) -> None:
    store.publish(table(1))
    store.current()
    rd.sent.clear()

    store.current()

    assert rd.sent == ["EVALSHA"]


def test_a_table_is_decoded_once_and_then_served_from_the_cache(rd: RecordingRedis, store: Store) -> None:
    version = store.publish(table(1)).version
    other = Store(rd)
    first = other.table(version)
    rd.sent.clear()

    assert other.table(version) is first
    assert store.table(version).frame.equals(first.frame)
    assert rd.sent == []


def test_simultaneous_callers_share_one_decode(rd: RecordingRedis, store: Store) -> None:
    version = store.publish(table(1)).version
    other, start = Store(rd), Barrier(8)
    rd.sent.clear()

    def ask(_: int) -> Table:
        start.wait()
        return other.table(version)

    with ThreadPoolExecutor(8) as threads:
        tables = list(threads.map(ask, range(8)))

    assert len({id(one) for one in tables}) == 1
    assert rd.sent.count("GET") == 1


@pytest.fixture
def three(rd: RecordingRedis, store: Store) -> tuple[Store, list[str]]:
    """Create the store of another process, which has loaded three versions; return it and them."""
    versions = []
    for value in range(3):
        versions.append(store.publish(table(value)).version)
        rd.hincrby(f"data.{versions[-1]}", "pins", 1)
    other = Store(rd)
    for version in versions:
        other.table(version)
    return other, versions


def test_the_cache_is_limited_in_bytes(
    rd: RecordingRedis, store: Store, three: tuple[Store, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    other, versions = three
    size = other.table(versions[2]).frame.estimated_size()
    monkeypatch.setattr(dataset.table_cache, "_CACHED_BYTES", int(2.5 * size))

    other.table(versions[2])
    assert [other.is_cached(version) for version in versions] == [False, True, True]

    # The requested version is cached, however large it is.
    monkeypatch.setattr(dataset.table_cache, "_CACHED_BYTES", 1)
    other.table(versions[0])
    assert [other.is_cached(version) for version in versions] == [True, False, False]


def test_other_versions_are_evicted_if_they_are_too_large(three: tuple[Store, list[str]]) -> None:
    other, versions = three

    assert not other.evict_others(keep=versions[1], max_bytes=10_000)
    assert all(map(other.is_cached, versions))

    assert other.evict_others(keep=versions[1], max_bytes=100)
    assert [other.is_cached(version) for version in versions] == [False, True, False]

    assert other.evict_others(keep="", max_bytes=0)
    assert not any(map(other.is_cached, versions))


def test_the_cache_is_limited_in_versions(rd: RecordingRedis, store: Store) -> None:
    versions = []
    for value in range(5):
        versions.append(store.publish(table(value)).version)
        rd.hincrby(f"data.{versions[-1]}", "pins", 1)
    other = Store(rd)
    first = other.table(versions[0])
    for version in versions[1:]:
        other.table(version)
    with pytest.raises(VersionNotFound):
        other.table("0" * 32)
    rd.sent.clear()

    last = other.table(versions[-1])

    assert rd.sent == []
    assert other.table(versions[-1]) is last
    assert other.table(versions[0]) is not first


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "i": st.none() | st.integers(-(2**70), 2**70),
                "x": st.none() | st.floats(),
                "s": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
                "t": st.none() | st.datetimes().map(lambda time: time.isoformat() + "Z"),
                "d": st.none() | st.dates().map(str),
                "n": st.none() | st.lists(st.booleans(), max_size=2),
            }
        ),
        max_size=8,
    )
)
def test_records_are_unchanged_by_a_round_trip_through_redis(rows: list[dict[str, Any]]) -> None:
    rd = fakeredis.FakeRedis(server=fakeredis.FakeServer(server_type="valkey"))
    one = ingest(json.dumps(rows).encode(), "application/json", options=LoadOptions(empty=True))
    Store(rd).publish(one)

    back = Store(rd).table(one.description.version)

    assert back.description == one.description
    assert back.page(limit=100) == one.page(search=None, limit=100)
    assert back.frame.schema == one.frame.schema
