"""Datasets whose rows are in a shared folder: what is loaded there is read, scanned, changed and deleted."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import socket
import threading
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import fakeredis
import polars as pl
import pytest

from config.settings import InvalidSetting, load
from dataset import Append, Busy, ObjectChunks, Selection, SharedFiles, Store, Table, ingest
from dataset.arrow_chunks import EncodedTable, write_chunks
from dataset.object_store import Folder, busy_if_unavailable, parse_folder

ROWS = 5000
BUDGET = 2**16


@pytest.fixture
def rd() -> Any:
    return fakeredis.FakeRedis()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "datasets"


@pytest.fixture
def store(rd: Any, folder: Path) -> Store:
    return Store(rd, files=SharedFiles(0), objects=ObjectChunks(str(folder)))


def table(rows: int = ROWS, *, chunks: int = 5) -> Table:
    lines = [
        f"{number},2024-01-{number % 28 + 1:02},{('north', 'south')[number % 2]},{number % 97 / 8}"
        for number in range(1, rows + 1)
    ]
    return chunked(ingest("\n".join(["id,day,side,x", *lines]).encode(), "text/csv"), chunks)


def chunked(loaded: Table, chunks: int) -> Table:
    """The number of chunks goes by the size of the body."""
    return Table(replace(loaded.description, bytes=chunks * 8 * 2**20), loaded.frame)


def numbered() -> Table:
    return chunked(ingest("\n".join(["x", *map(str, range(ROWS))]).encode(), "text/csv"), 5)


def test_redis_has_only_the_description_and_the_name_of_the_folder(rd: Any, store: Store, folder: Path) -> None:
    version = store.publish(table()).version

    named = parse_folder(rd.get(f"data.{version}.0"))
    assert named is not None
    assert named.rows == [1000] * 5
    assert sorted(path.name for path in (folder / named.name).iterdir()) == [f"{n:06}.parquet" for n in range(5)]
    assert rd.hget(f"data.{version}", "chunks") == b"1"
    assert rd.ttl(f"data.{version}.0") == -1


def test_another_process_reads_the_rows(rd: Any, store: Store, folder: Path) -> None:
    loaded = table()
    version = store.publish(loaded).version

    other = Store(rd, files=SharedFiles(0), objects=ObjectChunks(str(folder)))

    assert other.table(version).frame.equals(loaded.frame)


SELECTIONS = [
    Selection(),
    Selection("2024-01-05", "2024-01-06"),
    Selection(990, 2010, index="id"),
    Selection(where={"side": "north", "x": {"gt": 3}}),
    Selection(search="south"),
    Selection("2024-01-05", "2024-01-06", where={"side": "north"}, search="11.5"),
    Selection(where={"side": "east"}),
]


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_scan_selects_the_rows_that_the_table_does(store: Store, selection: Selection) -> None:
    loaded = table()
    scanned = store.scanned(store.publish(loaded).version, 0, BUDGET)
    assert scanned is not None

    rows = scanned.select(selection)

    expected = loaded.select(selection)
    assert rows.height == expected.height
    assert rows.schema == expected.schema
    assert rows.frame(["x", "side"]).equals(expected[["x", "side"]])


@pytest.mark.parametrize("bounds", [(None, None), (1, 1), (990, 1010), (1000, 1001), (4999.5, 9999), (6000, None)])
def test_row_numbers_select_the_rows_across_chunks(rd: Any, store: Store, bounds: tuple[Any, Any]) -> None:
    loaded = numbered()
    scanned = store.scanned(store.publish(loaded).version, 0, BUDGET)
    assert scanned is not None

    assert scanned.select(Selection(*bounds)).frame(["x"]).equals(loaded.slice(*bounds))


def test_a_job_reads_only_the_chunks_in_its_range(store: Store, folder: Path) -> None:
    scanned = store.scanned(store.publish(numbered()).version, 0, BUDGET)
    assert scanned is not None
    for path in folder.rglob("*.parquet"):
        if path.name not in ("000000.parquet", "000003.parquet"):
            path.unlink()

    with pytest.raises(Exception, match="storage of datasets does not answer"):
        scanned.select(Selection()).frame(["x"])
    assert scanned.select(Selection(3001, 3010)).frame(["x"]).height == 10


def test_changes_of_records_are_applied_to_the_rows(rd: Any, store: Store, folder: Path) -> None:
    loaded = table()
    version = store.publish(loaded).version

    changed = store.change(lambda found: Append([(9999, *found.rows.row(0)[1:])]))
    assert changed is not None

    other = Store(rd, files=SharedFiles(0), objects=ObjectChunks(str(folder)))
    assert other.table(changed.description.version).frame.height == ROWS + 1
    assert other.scanned(changed.description.version, 0, BUDGET) is None
    assert other.scanned(version, 0, BUDGET) is not None


def test_loading_the_same_rows_again_uploads_nothing(store: Store, folder: Path) -> None:
    store.publish(table())
    before = sorted(folder.rglob("*.parquet"))

    store.publish(table())

    assert sorted(folder.rglob("*.parquet")) == before


def test_loading_the_same_rows_again_replaces_files_that_are_gone(rd: Any, store: Store, folder: Path) -> None:
    # Given a version of which a file was deleted
    loaded = table()
    version = store.publish(loaded).version
    next(folder.rglob("*.parquet")).unlink()

    # when the same is loaded again
    store.publish(table())

    # then another process reads it
    assert Store(rd, objects=ObjectChunks(str(folder))).table(version).frame.equals(loaded.frame)


def test_loading_the_same_rows_without_the_storage_is_refused_until_they_are_deleted(rd: Any, store: Store) -> None:
    loaded = table()
    version = store.publish(loaded).version
    without = Store(rd)
    with pytest.raises(Busy, match="DATASET_STORE"):
        without.publish(table())

    without.clear()
    without.publish(table())

    assert rd.hget(f"data.{version}", "chunks") == b"5"
    assert Store(rd).table(version).frame.equals(loaded.frame)


def test_a_small_compressed_body_has_small_chunks(rd: Any, store: Store) -> None:
    # Given 24 MiB of rows from a body of a few bytes
    rows = pl.DataFrame({"x": pl.int_range(3 * 2**20, eager=True)})

    # when they are stored
    version = store.publish(Table(ingest(b"x\n1", "text/csv").description, rows)).version

    # then a scan has a third at once
    named = parse_folder(rd.get(f"data.{version}.0"))
    assert named is not None
    assert named.rows == [2**20] * 3


def test_rows_without_room_are_not_decoded(rd: Any, store: Store, folder: Path, tmp_path: Path) -> None:
    # Given a version that is larger than the memory for datasets
    version = store.publish(table()).version
    most = int(rd.hget(f"data.{version}", "memory")) - 1

    # when there is no room for its file
    small = Store(rd, most, SharedFiles(0), ObjectChunks(str(folder)))
    # then it is not read
    with pytest.raises(Busy, match="DATASET_FILES_MB"):
        small.table(version)
    # and a load of such a version keeps it out of memory
    loaded = table(6000)
    with TemporaryFile(dir=tmp_path) as file:
        write_chunks(loaded.frame, loaded.description.bytes, file, parquet=True)
        file.seek(0)
        small.publish(EncodedTable(loaded.description, most + 1, file))
        wait_for_indexes()
    assert small._cache.tables() == []


def wait_for_indexes() -> None:
    for thread in threading.enumerate():
        if thread.name == "build-indexes":
            thread.join(10)


def test_reading_from_a_storage_that_is_gone_is_busy(rd: Any, store: Store, folder: Path, tmp_path: Path) -> None:
    version = store.publish(table()).version
    shutil.rmtree(folder)

    for files in (SharedFiles(0), SharedFiles(2**30, tmp_path / "files")):
        with pytest.raises(Busy, match="storage of datasets does not answer"):
            Store(rd, files=files, objects=ObjectChunks(str(folder))).table(version)


def test_reading_from_a_storage_that_says_nothing_is_busy(rd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an S3 that accepts connections and never answers, whose address has a password
    monkeypatch.setattr("dataset.object_store._REQUEST_SECONDS", 1)
    monkeypatch.setattr("dataset.object_store._RETRIES", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:secret@127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        objects = ObjectChunks("s3://bucket/prefix")

        # when its rows are read, then that ends
        with pytest.raises(Busy) as error, busy_if_unavailable():
            objects.scan(Folder("own/version", [5]), 0).collect()

    assert "secret" not in str(error.value)


def test_what_a_failed_upload_left_is_looked_for_later(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upload(self: ObjectChunks, name: str, chunks: Any) -> Folder:
        raise Busy("The storage of datasets does not answer.")

    monkeypatch.setattr(ObjectChunks, "upload", upload)
    with pytest.raises(Busy):
        store.publish(table())

    assert store._reader._later.is_alive()
    store._reader._later.cancel()


def test_folders_that_no_version_names_are_deleted_after_an_hour(rd: Any, store: Store, folder: Path) -> None:
    old = store.publish(table(10)).version
    new = store.publish(table(20)).version
    abandoned = next(folder.iterdir()) / f"{old}-aborted"
    abandoned.mkdir()
    (abandoned / "000000.parquet").write_bytes(b"PAR1")

    store._reader._sweep_later()
    young = {path.parent.name.partition("-")[0] for path in folder.rglob("*.parquet")}
    long_ago = dt.datetime.now().timestamp() - 4000
    for path in folder.rglob("*.parquet"):
        os.utime(path, (long_ago, long_ago))
    store._reader._sweep_later()

    assert young == {old, new}
    assert {path.parent.name.partition("-")[0] for path in folder.rglob("*.parquet")} == {new}
    store._reader._later.cancel()


def test_small_datasets_and_those_in_redis_are_not_scanned(rd: Any, store: Store) -> None:
    version = store.publish(table()).version

    assert store.scanned(version, 2**30, BUDGET) is None
    assert Store(rd).scanned(version, 0, BUDGET) is None


def test_without_the_storage_the_error_says_what_to_set(rd: Any, store: Store) -> None:
    version = store.publish(table()).version

    with pytest.raises(Exception, match="DATASET_STORE"):
        Store(rd).table(version)


def test_a_storage_that_fails_leaves_the_dataset_as_it_was(rd: Any, store: Store, tmp_path: Path) -> None:
    version = store.publish(table()).version
    (tmp_path / "file").write_text("")
    broken = Store(rd, objects=ObjectChunks(str(tmp_path / "file")))

    with pytest.raises(Exception, match="storage of datasets does not answer"):
        broken.publish(table(7))

    assert store.current().version == version  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "given", ["s3://bucket", "s3://bucket/a/prefix", "s3://bucket/.a/.../", "/mnt/datasets", "file:///mnt/datasets"]
)
def test_a_bucket_or_an_absolute_path_is_taken(given: str) -> None:
    assert load({"DATASET_STORE": given}).dataset_store == given.removeprefix("file://")


@pytest.mark.parametrize("prefix", ["a//b", "../x", "./x", "/lead", "a/..", ".", "a/./b/"])
@pytest.mark.parametrize("name", ["DATASET_STORE", "BACKUP_STORE"])
def test_a_prefix_that_the_storage_cannot_name_is_refused(name: str, prefix: str) -> None:
    # Given a prefix with an empty part, `.` or `..`, when it is read, then one sentence says why it is refused
    with pytest.raises(InvalidSetting, match=rf"^{name}=.*: expected s3://BUCKET/PREFIX, no part of which is empty"):
        load({name: f"s3://bucket/{prefix}"})


@pytest.mark.parametrize("given", ["datasets", "s3://", "s3:///prefix", "https://host/bucket", "file://host/path"])
def test_other_places_are_refused(given: str) -> None:
    with pytest.raises(InvalidSetting, match="DATASET_STORE"):
        load({"DATASET_STORE": given})
