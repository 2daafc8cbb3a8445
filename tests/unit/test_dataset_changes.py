"""Changes of records: versions that share the rows of their base, and leave nothing behind in Redis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import dataset.edits
import dataset.id_index
import dataset.sizes
import dataset.store
from dataset import Busy, Selection, Store, Table, ingest
from dataset.changes import Append, Remove, Replace, decode_change, encode_change

RELEASE = Path(__file__).parents[2] / "jobstore/lua/includes/release_dataset.lua"


def load(store: Store, count: int, numbered: bool = False) -> Table:
    rows = [{"id": f"k{n}", "v": n, "t": f"2020-01-{n % 28 + 1:02}"} for n in range(count)]
    if numbered:
        rows = [{name: row[name] for name in row if name != "id"} for row in rows]
    return store.table(store.publish(ingest(json.dumps(rows).encode(), "application/json")).version)


@pytest.fixture
def rd() -> fakeredis.FakeRedis:
    return fakeredis.FakeRedis(server=fakeredis.FakeServer(server_type="valkey"))


def keys(rd: fakeredis.FakeRedis) -> set[str]:
    found: Any = rd.keys("*")
    return {key.decode() for key in found}


def records(table: Table) -> list[dict[str, Any]]:
    return table.page(limit=10_000).records


def number(rd: fakeredis.FakeRedis, version: str, field: str) -> int:
    return int(rd.hget(f"data.{version}", field) or 0)


@pytest.mark.parametrize(
    "change", [Append([("k", 1, 2.5, True, None), ("ü", -1, 1e300, False, "x")], 7), Replace(3, ("a", 0)), Remove(0)]
)
def test_a_change_is_the_same_after_it_was_stored(change):
    assert decode_change(encode_change(change)) == change


def test_a_changed_version_shares_the_chunks_of_its_base(rd):
    # Given a dataset that one process has loaded, and another has decoded
    store, other = Store(rd), Store(rd)
    base = load(store, 5).description.version
    other.table(base)
    # when a record is replaced, one appended, one removed
    for change in (Replace(1, ("k1", 10, None)), Append([("new", 9, 18300)]), Remove(0)):
        changed = store.change(lambda table, change=change: change)
    # then there is one list of changes beside the chunk
    version = changed.description.version
    assert keys(rd) == {"data.current", f"data.{base}", f"data.{base}.0", f"data.{base}.changes", f"data.{version}"}
    # and every process reads the same, whether it knows the base or not
    expected = [
        {"id": "k1", "v": 10, "t": None},
        {"id": "k2", "v": 2, "t": "2020-01-03"},
        {"id": "k3", "v": 3, "t": "2020-01-04"},
        {"id": "k4", "v": 4, "t": "2020-01-05"},
        {"id": "new", "v": 9, "t": "2020-02-08"},
    ]
    for each in (store, other, Store(rd)):
        assert records(each.table(version)) == expected
        assert each.current() == changed.description


def test_the_description_follows_the_changes(rd):
    store = Store(rd)
    before = load(store, 3).description

    store.change(lambda table: Append([("a", None, None), ("b", 1, 18000)]))
    after = store.change(lambda table: Remove(table.find("k2"))).description

    assert (after.count, [column.missing for column in after.columns]) == (4, [0, 1, 1])
    assert (before.first, before.last) == ("2020-01-01", "2020-01-03")
    assert (after.first, after.last) == ("2019-04-14", "2020-01-02")
    assert after.version not in (before.version, "")
    assert after.loaded >= before.loaded


def test_a_pinned_version_keeps_its_rows(rd):
    # Given a changed version that a job has pinned
    store = Store(rd)
    base = load(store, 3).description.version
    pinned = store.change(lambda table: Remove(0)).description.version
    rd.hincrby(f"data.{pinned}", "pins", 1)
    # when it is changed, and the dataset is unloaded
    store.change(lambda table: Remove(0))
    store.clear()
    # then it can be read by any process
    assert [record["id"] for record in records(Store(rd).table(pinned))] == ["k1", "k2"]
    assert keys(rd) == {f"data.{base}", f"data.{base}.0", f"data.{base}.changes", f"data.{pinned}"}


def test_rows_that_are_numbered_keep_their_numbers(rd):
    # Given rows without an identifier
    store = Store(rd)
    load(store, 4, numbered=True)
    # when one is removed, the last as well, and another appended
    store.change(lambda table: Remove(table.find("2")))
    store.change(lambda table: Remove(table.find("4")))
    changed = store.change(lambda table: Append([(7, None)], table.next_row))
    # then the others keep their numbers, and none is used twice
    for table in (changed, Store(rd).table(changed.description.version)):
        page = table.page(limit=10)
        assert (page.numbers, [record["v"] for record in page.records]) == ([1, 3, 5], [0, 2, 7])
        assert table.record("5") == {"v": 7, "t": None}
        assert table.record("2") is None
        assert table.record("4") is None
        for bounds, values in {(2, 5): [2, 7], (None, 2): [0], (4, 4): [], (-9, 0.5): [], (9, 10**30): []}.items():
            assert table.select(Selection(*bounds, index="row"))["v"].to_list() == values
    # also after the version was given chunks of its own
    assert store.rebase(changed)
    again = Store(rd).table(changed.description.version)
    assert again.page(limit=10).numbers == [1, 3, 5]
    assert again.frame.columns == ["v", "t"]
    assert again.next_row == 6


def test_a_base_is_replaced_while_changes_go_on(rd):
    # Given two processes, and a version to which changes are made while it gets chunks
    store, other = Store(rd), Store(rd)
    base = load(store, 5).description.version
    folded = store.change(lambda table: Remove(0))
    last = other.change(lambda table: Append([("x", 1, None)]))
    rd.hincrby(f"data.{folded.description.version}", "pins", 1)
    # when the chunks are there
    assert store.rebase(folded)
    # then the old base is gone, and the later change is kept
    versions = [folded.description.version, last.description.version]
    assert f"data.{base}" not in keys(rd)
    for each in (store, other, Store(rd)):
        assert [record["id"] for record in records(each.table(versions[0]))] == ["k1", "k2", "k3", "k4"]
        assert [record["id"] for record in records(each.table(versions[1]))] == ["k1", "k2", "k3", "k4", "x"]
    # and further changes are made by both, without the rows being fetched again
    for each in (other, store):
        each.change(lambda table: Remove(0))
    assert [record["id"] for record in records(Store(rd).table(Store(rd).current().version))] == ["k3", "k4", "x"]
    assert number(rd, versions[0], "derived") == 1
    # and chunks that come too late change nothing
    assert not store.rebase(folded)


def test_the_same_file_loaded_again_starts_from_its_own_rows(rd):
    # Given a changed version that is pinned
    store = Store(rd)
    load(store, 3)
    pinned = store.change(lambda table: Remove(0)).description.version
    rd.hincrby(f"data.{pinned}", "pins", 1)
    # when the same file is loaded again, and changed in another way
    load(store, 3)
    changed = store.change(lambda table: Remove(2)).description.version
    # then neither change is in the other version
    assert [record["id"] for record in records(Store(rd).table(changed))] == ["k0", "k1"]
    assert [record["id"] for record in records(Store(rd).table(pinned))] == ["k1", "k2"]


def test_a_long_list_of_changes_is_folded_into_chunks(rd, monkeypatch):
    monkeypatch.setattr(dataset.store, "_MIN_REBASE_BYTES", 300)
    store = Store(rd)
    load(store, 5)
    for n in range(50):
        changed = store.change(lambda table, n=n: Replace(n % 5, (f"k{n % 5}", n, None)))
        with store._rebasing:  # until a thread that was started has ended
            pass
    version = changed.description.version
    assert [record["v"] for record in records(Store(rd).table(version))] == [45, 46, 47, 48, 49]
    base = Store(rd).table(version).location.base
    assert rd.llen(f"data.{base}.changes") < 15
    assert len(keys(rd)) <= 5


def test_a_search_after_a_change_renders_only_the_slices_that_changed(rd, monkeypatch):
    monkeypatch.setattr(dataset.edits, "SLICE_ROWS", 10)
    monkeypatch.setattr(dataset.sizes, "SLICE_ROWS", 10)
    store = Store(rd)
    table = load(store, 100)
    table.rows.lines.clear()
    table.build_indexes()

    changed = store.change(lambda table: Replace(55, ("needle", 1, None)))
    assert changed.frame.height == 100

    assert {number for _, number in changed.rows.lines} == {*range(10)} - {5}
    assert changed.page(search="needle", limit=5).records == [{"id": "needle", "v": 1, "t": None}]
    assert changed.page(search="k5", limit=20).total == 10


def test_a_version_stored_by_an_older_release_can_be_changed(rd):
    # Given a version without the fields that came with changes of records
    store = Store(rd)
    version = load(store, 3, numbered=True).description.version
    rd.hdel(f"data.{version}", "memory", "next_row")
    # when a process changes it
    changed = Store(rd).change(lambda table: Append([(9, None)], table.next_row))
    # then the new version has its rows
    assert Store(rd).table(changed.description.version).page(limit=9).numbers == [1, 2, 3, 4]


def test_a_worker_keeps_the_version_that_the_next_one_follows_from(rd):
    # Given a worker that has decoded a version and another dataset
    worker, store = Store(rd), Store(rd)
    first = load(store, 50).description.version
    rd.hincrby(f"data.{first}", "pins", 1)
    other = load(store, 60).description.version
    rd.hincrby(f"data.{other}", "pins", 1)
    load(store, 50)
    for version in (first, other):
        worker.table(version)
    changed = store.change(lambda table: Remove(0)).description.version
    # when it makes room for the next version
    assert worker.evict_others(keep=changed, max_bytes=0)
    # then only what that does not need is dropped
    assert (worker.is_cached(first), worker.is_cached(other)) == (True, False)
    rd.delete(f"data.{first}.0")
    assert worker.table(changed).rows.height == 49


def test_two_processes_that_change_one_version_do_not_lose_a_change(rd):
    # Given a process that has read a version, which another changes before it does
    one, two = Store(rd), Store(rd)
    load(one, 3)
    tries = []

    def decide(table):
        tries.append(table.description.version)
        if len(tries) == 1:
            two.change(lambda table: Replace(0, ("k0", 10, None)))
        return Replace(0, (*table.rows.row(0)[:1], table.rows.row(0)[1] + 1, None))

    # when it changes the record, then it does so on top of the other change
    changed = one.change(decide)
    assert (len(set(tries)), changed.record("k0")["v"]) == (2, 11)


def test_a_process_that_is_slower_than_another_gets_its_turn(rd, monkeypatch):
    monkeypatch.setattr(dataset.store, "_TURN_MILLISECONDS", 600_000)
    monkeypatch.setattr(dataset.store, "_MAX_TRIES", 5)
    # Given a process whose every look at the dataset is followed by a change of another
    one, two = Store(rd), Store(rd)
    load(one, 3)
    tries = []

    def decide(table):
        tries.append(table.description.version)
        try:
            two.change(lambda table: Replace(1, ("k1", len(tries), None)))
        except Busy:
            tries.append("busy")
        return Replace(0, ("k0", 10, None))

    # when it changes a record, then the other has to wait
    assert one.change(decide).record("k0")["v"] == 10
    assert tries.count("busy") == 1
    assert "data.change.turn" not in keys(rd)
    # and also when it was refused
    with pytest.raises(ValueError, match="refused"):
        one._change_in_turn(lambda table: (_ for _ in ()).throw(ValueError("refused")))
    assert "data.change.turn" not in keys(rd)


def test_a_rebase_that_fails_is_tried_again_later(rd, monkeypatch):
    monkeypatch.setattr(dataset.store, "_MIN_REBASE_BYTES", 200)
    store = Store(rd)
    base = load(store, 5).description.version
    # Given a Redis that takes no chunks
    upload = rd.set
    monkeypatch.setattr(rd, "set", lambda *_, **__: (_ for _ in ()).throw(redis.exceptions.OutOfMemoryError("full")))
    for n in range(12):
        store.change(lambda table, n=n: Replace(0, ("k0", n, None)))
    store._rebasing.acquire()
    store._rebasing.release()
    assert rd.llen(f"data.{base}.changes") == 12
    # when it does again, then the list is folded
    monkeypatch.setattr(rd, "set", upload)
    for n in range(12):
        changed = store.change(lambda table, n=n: Replace(0, ("k0", n, None)))
        store._rebasing.acquire()
        store._rebasing.release()
    assert f"data.{base}" not in keys(rd)
    assert Store(rd).table(changed.description.version).record("k0")["v"] == 11


class Changes(RuleBasedStateMachine):
    """Random changes by two processes, pins and loads, against a dict; at the end nothing is left over."""

    numbered = False

    @initialize(count=st.integers(1, 4))
    def start(self, count):
        self.rd = fakeredis.FakeRedis(server=fakeredis.FakeServer(server_type="valkey"))
        self.stores = [Store(self.rd), Store(self.rd)]
        self.pins: list[tuple[str, dict]] = []
        self.ids = count
        self.load(count)

    def load(self, count):
        load(self.stores[0], count, self.numbered)
        self.model = {self.name(n): n for n in range(count)}
        self.next = count

    def name(self, n):
        return str(n + 1) if self.numbered else f"k{n}"

    def row(self, name, value):
        return (value, None) if self.numbered else (name, value, None)

    @rule(who=st.integers(0, 1), count=st.integers(1, 3), value=st.integers(0, 99))
    def append(self, who, count, value):
        names = [self.name(self.next + n) for n in range(count)]
        rows = [self.row(name, value) for name in names]
        self.stores[who].change(lambda table: Append(rows, table.next_row))
        self.model |= dict.fromkeys(names, value)
        self.next += count

    @precondition(lambda self: self.model)
    @rule(who=st.integers(0, 1), choose=st.integers(0, 99), value=st.integers(0, 99))
    def replace(self, who, choose, value):
        name = list(self.model)[choose % len(self.model)]
        self.stores[who].change(lambda table: Replace(table.find(name), self.row(name, value)))
        self.model[name] = value

    @precondition(lambda self: self.model)
    @rule(who=st.integers(0, 1), choose=st.integers(0, 99))
    def remove(self, who, choose):
        name = list(self.model)[choose % len(self.model)]
        self.stores[who].change(lambda table: Remove(table.find(name)))
        del self.model[name]

    @rule(who=st.integers(0, 1))
    def rebase(self, who):
        store = self.stores[who]
        store.rebase(store.table(store.current().version))

    @rule(count=st.integers(1, 2))
    def load_again(self, count):
        self.load(count)

    @rule()
    def pin(self):
        version = self.stores[0].current().version
        self.rd.hincrby(f"data.{version}", "pins", 1)
        self.pins.append((version, dict(self.model)))

    @precondition(lambda self: self.pins)
    @rule(choose=st.integers(0, 99))
    def unpin(self, choose):
        version, model = self.pins.pop(choose % len(self.pins))
        self.check(Store(self.rd).table(version), model)
        self.unpin_version(version)

    def unpin_version(self, version):
        self.rd.eval(f"local call, version = redis.call, ARGV[1]\n{RELEASE.read_text()}", 0, version)

    @rule(who=st.integers(0, 1))
    def read(self, who):
        store = self.stores[who]
        self.check(store.table(store.current().version), self.model)

    def check(self, table, model):
        page = table.page(limit=1000)
        names = list(map(str, page.numbers)) if self.numbered else [record["id"] for record in page.records]
        assert dict(zip(names, (record["v"] for record in page.records), strict=True)) == model
        assert table.description.count == len(model)
        for name, value in model.items():
            assert table.record(name)["v"] == value
        missing = sum(record["t"] is None for record in page.records)
        assert table.description.columns[-1].missing == missing
        # A date of a single row is no index.
        index = [record["t"] for record in page.records if record["t"] is not None]
        if table.description.index != "t":
            index = page.numbers if self.numbered else names
        assert (table.description.first, table.description.last) == (min(index, default=None), max(index, default=None))

    @invariant()
    def counts_agree(self):
        versions = {key[5:] for key in keys(self.rd) if key.count(".") == 1} - {"current"}
        bases = [(self.rd.hget(f"data.{version}", "base") or b"").decode() for version in versions]
        for version in versions:
            pins = sum(each == version for each, _ in self.pins) + bases.count(version)
            assert number(self.rd, version, "pins") == pins
            assert number(self.rd, version, "derived") == bases.count(version)
            assert (f"data.{version}.changes" in keys(self.rd)) == (bases.count(version) > 0)
            assert pins or version == self.rd.get("data.current").decode()

    def teardown(self):
        if hasattr(self, "rd"):
            store = Store(self.rd)
            self.check(store.table(store.current().version), self.model)
            for version, model in self.pins:
                self.check(Store(self.rd).table(version), model)
                self.unpin_version(version)
            store.clear()
            self.rd.delete(*[key for key in keys(self.rd) if self.rd.ttl(key) > 0] or ["none"])
            assert keys(self.rd) == set()


class NumberedChanges(Changes):
    """The same for rows without an identifier."""

    numbered = True


@pytest.mark.parametrize("machine", [Changes, NumberedChanges])
def test_random_changes_leave_what_a_dict_has_and_no_keys(machine, monkeypatch):
    monkeypatch.setattr(dataset.edits, "_MAX_PENDING", 4)
    monkeypatch.setattr(dataset.edits, "SLICE_ROWS", 3)
    monkeypatch.setattr(dataset.sizes, "SLICE_ROWS", 3)
    monkeypatch.setattr(dataset.id_index, "_MAX_CHANGES", 5)
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=checks),
    )
