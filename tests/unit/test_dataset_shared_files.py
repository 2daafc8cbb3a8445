"""The files of versions that the processes of a host map: written once, complete, private, and deleted in the end."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from threading import Barrier

import fakeredis
import polars as pl
import pytest

import dataset.shared_files
from dataset import EncodedTable, LoadLimits, SharedFiles, Store, ingest, ingest_in_subprocess
from dataset.arrow_chunks import encode_chunks
from dataset.shared_files import map_frame
from dataset.types.type_inference import TIME
from tests.conftest import eventually

MIB = 2**20
ROWS = 200_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def files(folder: Path) -> SharedFiles:
    return SharedFiles(100 * MIB, folder)


@pytest.fixture
def rd() -> fakeredis.FakeRedis:
    return fakeredis.FakeRedis(server=fakeredis.FakeServer(server_type="valkey"))


def frame(rows: int = ROWS) -> pl.DataFrame:
    return pl.DataFrame({"n": range(rows), "s": [f"a text of row {row}" for row in range(rows)]})


def chunks() -> list[bytes]:
    """Return the rows above as they are in Redis."""
    return [*encode_chunks(frame(), 20 * MIB)]


def file_of(rows: pl.DataFrame, path: Path) -> Path:
    rows.write_ipc(path, compression="uncompressed")
    return path


def mapped(path: Path) -> pl.DataFrame:
    return map_frame(os.open(path, os.O_RDONLY))


def body(marker: str = "x") -> bytes:
    return b"n,s\n" + b"".join(f"{row},{marker} of row {row}\n".encode() for row in range(ROWS))


def load(files: SharedFiles, content: bytes) -> EncodedTable:
    loaded = ingest_in_subprocess([content], "text/csv", limits=LoadLimits(files=files))
    assert isinstance(loaded, EncodedTable)
    return loaded


def none_stored(versions: Collection[str]) -> Collection[str]:
    return ()


def never() -> list[bytes]:
    raise AssertionError("read")


def descriptors_of(folder: Path) -> int:
    links = (os.readlink(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd") if _is_open(each))
    return sum(link.startswith(str(folder)) for link in links)


def _is_open(descriptor: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{descriptor}")


def test_a_mapped_file_has_the_rows_that_were_written_of_every_type(tmp_path):
    rows = pl.DataFrame(
        {
            "integer": [1, None, -(2**62)] * 50_000,
            "number": [0.5, None, -0.0] * 50_000,
            "boolean": [True, None, False] * 50_000,
            "text": ["short", None, "a text that is longer than twelve bytes: é"] * 50_000,
            "date": [date(2018, 1, 31), None, date(1, 1, 1)] * 50_000,
            "time": pl.Series([0, None, 10**15] * 50_000).cast(TIME),
            "missing": pl.Series([None] * 150_000, dtype=pl.String),
        }
    )
    found = mapped(file_of(rows, tmp_path / "rows"))
    assert found.schema == rows.schema
    assert found.equals(rows)
    assert found.sort("number", "text", nulls_last=True).equals(rows.sort("number", "text", nulls_last=True))


def test_a_file_stays_mapped_as_long_as_a_value_of_it_is_in_use(tmp_path):
    path = file_of(frame(), tmp_path / "rows")
    found = mapped(path)
    part = found["s"].slice(7, 2)
    path.unlink()
    del found
    assert descriptors_of(tmp_path) == 1
    assert part.to_list() == ["a text of row 7", "a text of row 8"]
    del part
    assert descriptors_of(tmp_path) == 0


@pytest.mark.parametrize("size", [0, 5, 1000, -1])
def test_an_incomplete_file_is_not_mapped(tmp_path, size):
    path = file_of(frame(), tmp_path / "rows")
    os.truncate(path, size if size >= 0 else path.stat().st_size - 1)
    with pytest.raises((ValueError, OSError)):
        mapped(path)
    assert descriptors_of(tmp_path) == 0


def test_rows_are_decoded_once_and_then_mapped(files):
    rows = files.get("v", 10 * MIB, chunks)
    again = files.get("v", 10 * MIB, never)
    assert rows.equals(frame())
    assert again.equals(rows)


def test_two_processes_at_once_decode_the_rows_once(folder):
    both, reads = Barrier(2), []

    def read() -> list[bytes]:
        reads.append(1)
        return chunks()

    def get() -> pl.DataFrame:
        both.wait()
        return SharedFiles(100 * MIB, folder).get("v", 10 * MIB, read)

    with ThreadPoolExecutor(2) as threads:
        first, second = [threads.submit(get) for _ in range(2)]
        assert first.result().equals(second.result())
    assert reads == [1]


def test_a_process_that_waits_too_long_for_another_one_decodes_by_itself(files, folder, monkeypatch):
    monkeypatch.setattr(dataset.shared_files, "_WAIT_SECONDS", 0.1)
    folder.mkdir(0o700)
    writing = os.open(folder / "v.tmp", os.O_CREAT | os.O_RDWR)
    fcntl.flock(writing, fcntl.LOCK_EX)
    try:
        assert files.get("v", 10 * MIB, chunks).equals(frame())
        assert os.listdir(folder) == ["v.tmp"]
    finally:
        os.close(writing)


def test_what_a_process_left_that_died_while_it_wrote_is_written_again(files, folder):
    folder.mkdir(0o700)
    (folder / "v.tmp").write_bytes(bytes(50 * MIB))
    assert files.get("v", 10 * MIB, chunks).equals(frame())
    assert files.map("v") is not None
    assert len(os.listdir(folder)) == 1


def test_an_error_while_the_rows_are_decoded_leaves_nothing(files, folder):
    with pytest.raises(AssertionError, match="read"):
        files.get("v", 10 * MIB, never)
    assert os.listdir(folder) == []
    assert files.get("v", 10 * MIB, chunks).equals(frame())


def test_on_a_full_disk_rows_are_kept_in_memory(files, folder, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dataset.shared_files.NewFile, "write", fail)
    assert files.get("v", 10 * MIB, chunks).equals(frame())
    assert os.listdir(folder) == []


def _make_public(folder: Path) -> None:
    folder.mkdir(0o755)


def _make_link(folder: Path) -> None:
    folder.with_name("other").mkdir(0o700)
    folder.symlink_to(folder.with_name("other"))


def _make_file(folder: Path) -> None:
    folder.touch(0o700)


@pytest.mark.parametrize("make", [_make_public, _make_link, _make_file])
def test_a_folder_that_others_could_write_is_not_used(files, folder, make: Callable[[Path], None]):
    make(folder)
    before = [*folder.parent.rglob("*")]
    assert files.get("v", 10 * MIB, chunks).equals(frame())
    assert files.create() is None
    assert files.map("v") is None
    assert [*folder.parent.rglob("*")] == before


@pytest.mark.parametrize(("limit", "size"), [(0, 10 * MIB), (100 * MIB, 101 * MIB), (100 * MIB, MIB - 1)])
def test_no_file_is_written_beyond_the_limit_or_for_a_small_version(folder, limit, size):
    files = SharedFiles(limit, folder)
    assert files.get("v", size, chunks).equals(frame())
    assert not folder.exists() or os.listdir(folder) == []


def test_a_file_of_another_boot_is_not_mapped_and_is_deleted(files, folder, monkeypatch, tmp_path):
    files.get("v", 10 * MIB, chunks)
    (tmp_path / "boot").write_text("another-boot")
    monkeypatch.setattr(dataset.shared_files, "_BOOT_ID", tmp_path / "boot")
    later = SharedFiles(100 * MIB, folder)
    assert later.map("v") is None
    assert later.sweep(lambda versions: versions) is False
    assert os.listdir(folder) == []


def test_a_file_is_deleted_when_its_version_is_gone_and_nobody_uses_it(files, folder):
    rows = files.get("v", 10 * MIB, chunks)
    assert files.sweep(lambda versions: versions) is False
    assert files.sweep(none_stored) is True
    assert len(os.listdir(folder)) == 1
    del rows
    assert files.sweep(none_stored) is False
    assert os.listdir(folder) == []


def test_a_file_that_is_being_written_is_not_deleted(files, folder):
    new = files.create()
    assert new is not None
    assert files.sweep(none_stored) is True
    assert len(os.listdir(folder)) == 1
    new.close()
    assert os.listdir(folder) == []


def test_a_loaded_version_is_mapped_by_the_process_that_loads_it_and_by_others(rd, files, folder):
    loaded = load(files, body())
    assert loaded.is_mapped
    loading, other = Store(rd, files=files), Store(rd, files=files)
    loading.publish(loaded)
    version = loaded.description.version
    for store in (loading, other):
        found = store.current_table()
        assert found is not None
        assert found[1].frame["s"].to_list()[-1] == f"x of row {ROWS - 1}"
        assert found[1].frame.equals(files.get(version, 10 * MIB, never))
    assert [name.split(".")[0] for name in os.listdir(folder)] == [version]


def test_a_dry_run_leaves_no_file(files, folder):
    loaded = load(files, body())
    assert loaded.first_rows(2)["n"].to_list() == [0, 1]
    assert len(os.listdir(folder)) == 1
    del loaded
    assert os.listdir(folder) == []


def test_a_load_that_fails_leaves_no_file(files, folder):
    with pytest.raises(dataset.DatasetError):
        load(files, b'[{"a": "' + b"x" * MIB)
    assert os.listdir(folder) == []


def test_a_version_that_is_replaced_is_read_on_and_then_deleted(rd, files, folder):
    store, other = Store(rd, files=files), Store(rd, files=files)
    store.publish(ingest(b'[{"a": 1}]', "application/json"))  # fakeredis keeps what the first call refers to
    store.publish(load(files, body()))
    found = other.current_table()
    assert found is not None
    rows = found[1].frame
    store.publish(load(files, body("y")))
    assert rows["s"].to_list()[-1] == f"x of row {ROWS - 1}"
    assert len(os.listdir(folder)) == 2
    del found, rows
    other.clear()
    store.clear()
    eventually(lambda: not files.sweep(none_stored))  # once the indexes are built
    assert os.listdir(folder) == []


def test_the_same_body_loaded_again_uses_the_file_that_there_is(rd, files, folder):
    store = Store(rd, files=files)
    store.publish(load(files, body()))
    (path,) = folder.iterdir()
    first = path.stat().st_ino
    store.publish(load(files, body()))
    assert [each.stat().st_ino for each in folder.iterdir()] == [first]


def test_without_files_rows_are_decoded(rd):
    loaded = load(SharedFiles(0), body())
    assert not loaded.is_mapped
    Store(rd).publish(loaded)
    found = Store(rd).current_table()
    assert found is not None
    assert found[1].frame.height == ROWS
