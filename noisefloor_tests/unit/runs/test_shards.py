"""Many records in few files: each as if it had a file of its own, killed or not."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from noisefloor_tests.support.records_planted import files, holds, key, record, records, same
from pytest_noisefloor.runs import record as record_module
from pytest_noisefloor.runs import shards as shards_module
from pytest_noisefloor.runs import store as module
from pytest_noisefloor.runs.record import Record, StoreError
from pytest_noisefloor.runs.shards import Shards
from pytest_noisefloor.runs.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def shard(store):
    """The file of four records of one layout."""
    store.put_many("adapters", records(0, 1, 2, 3))
    (file,) = files(store)[1]
    return file


@settings(max_examples=12)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(
                st.sampled_from(["a", "b.weight", "facts", "ü/x"]),
                arrays.arrays(np.float32, arrays.array_shapes(min_dims=0, max_dims=2, max_side=2)),
                max_size=2,
            ),
            st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=2),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_records_of_any_layouts_come_back_bitwise(tmp_path_factory, contents):
    put = {key(n): Record(*content) for n, content in enumerate(contents)}
    store = Store(tmp_path_factory.mktemp("drawn"))
    store.put_many("scores", put)
    assert store.keys("scores") == put.keys()
    for name, expected in put.items():
        for reader in (store, Store(store.root)):
            assert reader.has("scores", name)
            assert same(reader.get("scores", name), expected)
    assert not store.has("adapters", key(0))


def test_records_of_one_layout_are_one_file(store, shard):
    assert files(store) == ([], [shard])
    assert holds(store, range(4))
    assert not store.has("adapters", key(4))
    assert store.get("adapters", key(4)) is None


def outcome(store, number):
    """What becomes of a record that is read from a file that may be damaged."""
    try:
        found = store.get("adapters", key(number))
    except StoreError as error:
        return "refused" if "delete it, and the next run" in str(error) else str(error)
    return "sound" if same(found, record(number)) else found and "wrong"


def test_a_changed_byte_never_passes_for_what_was_written(store):
    store.put_many("adapters", records(0, 1))
    (file,) = files(store)[1]
    sound = file.read_bytes()
    for at, byte in enumerate(sound):
        file.write_bytes(sound[:at] + bytes([byte ^ (0x80 if at % 3 else 0x01)]) + sound[at + 1 :])
        outcomes = {outcome(Store(store.root), number) for number in (0, 1)}
        assert outcomes <= {"sound", "refused", None}  # None: under a key that nobody asks for
        assert outcomes != {"sound"}, f"byte {at}"


@pytest.mark.parametrize("left", [0, 4, 100, -1])
def test_a_truncated_shard_is_refused_whatever_is_asked_for(store, shard, left):
    shard.write_bytes(shard.read_bytes()[:left])
    for ask in (Store.has, Store.get):
        with pytest.raises(StoreError, match=rf"{shard.name}: not readable .* its records again"):
            ask(Store(store.root), "adapters", key(9))


def test_a_damaged_shard_costs_no_record_of_another_shard(store):
    store.put_many("adapters", records(0, 1))
    store.put_many("adapters", records(2, 3))
    for file in files(store)[1]:
        sound = file.read_bytes()
        file.write_bytes(sound[:100])
        found = [outcome(Store(store.root), number) for number in range(4)]
        assert sorted(found) == ["refused", "refused", "sound", "sound"]
        for ask in (lambda s: s.has("adapters", key(9)), lambda s: s.keys("adapters")):
            with pytest.raises(StoreError, match=f"{file.name}: not readable"):
                ask(Store(store.root))
        file.write_bytes(sound)
    assert holds(store, range(4))


def test_a_shard_that_was_damaged_is_read_once_it_is_whole_or_gone(store, shard):
    store.put_many("adapters", records(4, 5))
    sound, reader = shard.read_bytes(), Store(store.root)
    shard.write_bytes(sound[:100])
    assert outcome(reader, 0) == "refused"
    shard.write_bytes(sound)
    assert holds(reader, range(6))
    assert not reader.has("adapters", key(9))
    shard.unlink()
    assert reader.keys("adapters") == records(4, 5).keys()


def test_a_shard_without_a_table_is_refused(store, shard):
    shard.write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(StoreError, match=r"not readable \('records'\)"):
        Store(store.root).has("adapters", key(0))


def test_a_deleted_shard_takes_its_records_and_no_others(store, shard):
    store.put_many("adapters", records(4, 5))
    assert holds(store, range(6))
    shard.unlink()
    assert store.get("adapters", key(0)) is None
    assert not store.has("adapters", key(1))
    assert holds(store, [4, 5])


def test_what_another_process_adds_is_seen_at_once(store, shard):
    other = Store(store.root)
    assert other.keys("adapters") == records(0, 1, 2, 3).keys()
    stamp = shard.parent.stat().st_mtime_ns
    store.put_many("adapters", records(4, 5))
    os.utime(shard.parent, ns=(stamp, stamp))  # a clock too coarse to show that
    assert holds(other, range(6))


def test_a_record_in_a_shard_is_not_dropped(store, shard):
    with pytest.raises(StoreError, match=f"adapters {key(2)}: in a shard, which never changes"):
        store.drop("adapters", key(2))


# --- many small files -------------------------------------------------------------------------


@pytest.fixture
def four(monkeypatch):
    """Four small files are many."""
    monkeypatch.setattr(module, "SHARD", 4)


def test_many_small_files_move_into_shards(four, tmp_path):
    for session in ([0, 1, 2], [3, 4, 5], [6, 7, 8], [9]):
        store = Store(tmp_path)
        for number in session:
            store.put("adapters", key(number), record(number))
            assert holds(store, range(number + 1))
            assert len(files(store)[0]) < 4
    own, shards = files(store)
    assert len(own) + 4 * len(shards) == 10
    assert len(shards) == 2
    assert store.keys("adapters") == records(*range(10)).keys()


def test_who_finds_another_process_moving_tries_again_at_the_next_record(four, tmp_path):
    store = Store(tmp_path)
    with Store(tmp_path).lock("moving-adapters"):
        for number in range(5):
            store.put("adapters", key(number), record(number))
        assert [len(found) for found in files(store)] == [5, 0]
    store.put("adapters", key(5), record(5))
    assert [len(found) for found in files(store)] == [2, 1]
    assert holds(store, range(6))


def test_a_later_record_goes_before_one_in_a_shard(four, store, shard):
    later = Record({"gain": np.zeros(2, np.float32)}, {})
    store.put("adapters", key(0), later)
    assert same(store.get("adapters", key(0)), later)
    for number in range(4, 12):  # and it stays where it is when others move
        store.put("adapters", key(number), record(number))
        assert same(store.get("adapters", key(0)), later)
    assert len(files(store)[1]) > 1
    assert holds(store, range(1, 12))


@pytest.mark.parametrize(
    ("ask", "owner", "name"),
    [
        (Store.has, Path, "is_file"),
        (Store.get, Path, "is_file"),
        (Store.get, record_module, "safe_open"),
    ],
)
def test_a_record_that_moves_while_it_is_asked_for_is_found(
    four, store, monkeypatch, ask, owner, name
):
    for number in range(3):
        store.put("adapters", key(number), record(number))
    file, call = store.path("adapters", key(0)), getattr(owner, name)

    def late(path, **kwargs):
        if path == file and len(files(store)[0]) == 3:
            store.put("adapters", key(3), record(3))  # the fourth: all four move
        return call(path, **kwargs)

    monkeypatch.setattr(owner, name, late)
    assert ask(Store(store.root), "adapters", key(0))
    assert files(store)[0] == []


def test_large_files_and_unfinished_trainings_stay_where_they_are(four, store):
    for number in range(6):
        store.put("adapters", key(number), record(number, size=module.SMALL // 4))
        store.put("unfinished", key(number), record(number))
    assert [len(found) for found in files(store)] == [6, 0]
    assert [len(found) for found in files(store, "unfinished")] == [6, 0]
    store.put_many("unfinished", records(7, 8))
    store.drop("unfinished", key(7))
    assert holds(store, [*range(6), 8], "unfinished")
    assert not store.has("unfinished", key(7))


def test_a_damaged_file_is_left_and_refused_when_it_is_asked_for(four, store):
    for number in range(3):
        store.put("scores", key(number), record(number))
    file = store.path("scores", key(1))
    file.write_bytes(file.read_bytes()[:-1])
    store.put("scores", key(3), record(3))
    assert files(store, "scores")[0] == [file]
    assert holds(store, [0, 2, 3], "scores")
    with pytest.raises(StoreError, match=f"{key(1)}.safetensors: not readable"):
        store.get("scores", key(1))


def test_a_group_of_damaged_files_alone_is_left_and_the_next_record_is_put(four, store):
    for number in range(3):
        store.put("scores", key(number), record(number))
        store.path("scores", key(number)).write_bytes(b"damaged")
    store.path("scores", key(3)).write_bytes(b"damaged")
    store.put("scores", key(4), record(4))
    assert holds(store, [4], "scores")
    assert len(files(store, "scores")[0]) == 5


def test_a_finished_run_leaves_no_lock_behind_and_an_unfinished_one_keeps_its_own(store):
    locks = store.root / "locks"
    with store.lock(key(0)):
        store.put("unfinished", key(0), record(0))
        with pytest.raises(TimeoutError), store.lock(key(0)).acquire(timeout=0):
            pass
        store.put("adapters", key(0), record(0))
    with store.lock(key(1)), store.lock(key(2)):
        store.put_many("adapters", records(1, 2))
    assert not [*locks.iterdir()]


def test_a_shard_is_opened_once_however_many_unknown_keys_are_asked_for(store, shard, monkeypatch):
    shards = Shards(shard.parent)
    assert key(0) in shards
    monkeypatch.setattr(shards_module, "safe_open", lambda *_, **__: pytest.fail("opened again"))
    assert key(0) in shards
    assert key(9) not in shards
