"""The store: what was put in comes out, and nothing else under its name."""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from noisefloor_tests.support.records_planted import same
from pytest_noisefloor._files import SystemRefusal, write_atomically
from pytest_noisefloor.runs.record import Record, StoreError
from pytest_noisefloor.runs.store import Store
from pytest_noisefloor.specs import digest

KEY, OTHER = "a" * 64, "b" * 64
RECORD = Record({"gain": np.array([1, 1.25, 0.5], np.float32)}, {"losses": [0.5], "user": "ann"})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def file(store):
    """The file of a record that was put into the store."""
    store.put("adapters", KEY, RECORD)
    return store.path("adapters", KEY)


@settings(max_examples=20)
@given(
    st.dictionaries(
        st.text(st.characters(categories=["L", "N"], include_characters="./_"), min_size=1),
        arrays.arrays(np.float32, arrays.array_shapes(min_dims=1, max_dims=3, max_side=4)),
        max_size=3,
    ),
    st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=3),
)
def test_a_record_comes_back_bitwise(tmp_path_factory, tensors, facts):
    store = Store(tmp_path_factory.getbasetemp() / "drawn")
    store.put("scores", KEY, Record(tensors, facts))
    assert same(store.get("scores", KEY), Record(tensors, facts))


def test_there_is_nothing_where_nothing_was_put(store, file):
    assert store.get("adapters", OTHER) is None
    assert store.get("scores", KEY) is None
    assert store.has("adapters", KEY)
    assert not store.has("scores", KEY)


def test_a_dropped_record_is_gone_and_may_be_dropped_again(store, file):
    store.drop("adapters", KEY)
    store.drop("adapters", KEY)
    assert store.get("adapters", KEY) is None


def test_a_later_record_takes_the_place_of_an_earlier_one(store, file):
    later = Record({"gain": np.zeros(2, np.float32)}, {})
    store.put("adapters", KEY, later)
    assert same(store.get("adapters", KEY), later)


def test_a_changed_byte_is_noticed_wherever_it_is(store, file):
    sound = file.read_bytes()
    for at, flipped in product(range(len(sound)), (0x01, 0x80)):
        file.write_bytes(sound[:at] + bytes([sound[at] ^ flipped]) + sound[at + 1 :])
        with pytest.raises(StoreError, match="delete it, and the next run makes it again"):
            store.get("adapters", KEY)


def test_a_changed_value_is_told_from_a_damaged_file(store, file):
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    with pytest.raises(StoreError, match=f"{KEY}.safetensors: changed since it was written"):
        store.get("adapters", KEY)


def test_another_records_file_under_this_name_is_refused(store, file):
    store.path("adapters", OTHER).write_bytes(file.read_bytes())
    with pytest.raises(StoreError, match="holds the record of aaaaaaaaaaaa…, not of its name"):
        store.get("adapters", OTHER)


def test_a_record_of_another_specification_than_its_keys_is_refused(store):
    spec = {"user": "ann", "seed": 1}
    record = Record(RECORD.arrays, {"spec": spec})
    store.put("adapters", digest(spec), record)
    assert same(store.get("adapters", digest(spec)), record)
    store.put("adapters", KEY, record)
    with pytest.raises(StoreError, match=r"holds what another specification gave \(user ann, see"):
        store.get("adapters", KEY)


@pytest.mark.parametrize("left", [0, 4, 100, -1])
def test_a_truncated_file_is_refused(store, file, left):
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(StoreError, match=r"not readable .*; delete it, and the next run"):
        store.get("adapters", KEY)


def test_a_pickle_under_a_records_name_is_not_unpickled(store, file, tmp_path):
    marker = tmp_path / "ran"
    file.write_bytes(f"cos\nsystem\n(S'touch {marker}'\ntR.".encode())
    with pytest.raises(StoreError, match="not readable"):
        store.get("adapters", KEY)
    assert not marker.exists()


def test_a_write_that_fails_leaves_the_old_record_and_no_other_file(store, file, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SystemRefusal, match="No space left"):
        store.put("adapters", KEY, Record({"gain": np.zeros(9, np.float32)}, {}))
    assert [*file.parent.iterdir()] == [file]
    assert same(store.get("adapters", KEY), RECORD)


def test_a_write_that_is_interrupted_leaves_no_file(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "new" / "file", b"content")
    assert [*(tmp_path / "new").iterdir()] == []


WRITER = """
import sys
from itertools import product
from pathlib import Path
import numpy as np
from pytest_noisefloor.runs.record import Record
from pytest_noisefloor.runs.store import Store
store, value = Store(Path(sys.argv[1])), float(sys.argv[2])
for count in range(60):
    store.put("scores", sys.argv[3], Record({"nll": np.full(4096, value, np.float32)}, {}))
    found = store.get("scores", sys.argv[3])  # raises where the two files mixed
    assert len({*found.arrays["nll"].tolist()}) == 1
"""


def test_two_processes_that_write_one_record_never_mix(store, tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, value, KEY]) for value in "12"
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert [*store.path("scores", KEY).parent.iterdir()] == [store.path("scores", KEY)]


HOLDER = """
import sys, time
from pathlib import Path
from pytest_noisefloor.specs import digest
from pytest_noisefloor.runs.store import Store
with Store(Path(sys.argv[1])).lock(sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_free_once_its_holder_was_killed(store):
    command = [sys.executable, "-c", HOLDER, store.root, KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert not try_lock(store)
        holder.kill()
    assert try_lock(store)


def try_lock(store):
    lock = store.lock(KEY)
    try:
        with lock.acquire(timeout=0):
            return True
    except TimeoutError:
        return False


def test_facts_that_are_edited_by_hand_are_noticed(store, file):
    content = file.read_bytes()
    facts = json.dumps(RECORD.facts, sort_keys=True, separators=(",", ":"))
    written = json.dumps(facts)[1:-1].encode()  # as a string inside the header's JSON
    assert written in content
    file.write_bytes(content.replace(b"ann", b"bob"))
    with pytest.raises(StoreError, match="changed since it was written"):
        store.get("adapters", KEY)


def test_a_snapshot_whose_adapter_is_stored_is_an_orphan_unless_somebody_holds_its_lock(tmp_path):
    """As a process leaves it that is killed between storing an adapter and removing the last."""
    store, keys = Store(tmp_path), [letter * 64 for letter in "abc"]
    record = Record({"gain": np.zeros(9, np.float32)}, {})
    for key in keys:
        store.put("unfinished", key, record)
    for key in keys[:2]:
        store.put("adapters", key, record)
    with store.lock(keys[1]):
        store.drop_orphans()
        assert store.keys("unfinished") == {*keys[1:]}
    store.drop_orphans()
    assert store.keys("unfinished") == {keys[2]}  # a training to go on with
    assert store.keys("adapters") == {*keys[:2]}
