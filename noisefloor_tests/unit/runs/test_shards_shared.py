"""Shards under processes that die and processes that write together: nothing put is lost."""

import json
import signal
import subprocess
import sys

import pytest

from noisefloor_tests.support.records_planted import files, holds, key, record
from pytest_noisefloor.runs import store as module
from pytest_noisefloor.runs.store import Store

# --- killed -----------------------------------------------------------------------------------

# Each child puts records while it lives: two by two, then one by one into files, of which four
# move. It says of each that it is put. It is killed at its n-th write, rename or removal.
KILLED = """
import json, os, signal, sys
from pathlib import Path
from noisefloor_tests.support.records_planted import key, record, records
from pytest_noisefloor.runs import store as module

module.SHARD = 4
root = Path(sys.argv[1])

def child(number):
    left = number
    said = os.open(root / f"{number}.said", os.O_CREAT | os.O_WRONLY)

    def deadly(call):
        def counted(*args, **kwargs):
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)
        return counted

    os.fsync, Path.replace, Path.unlink = map(deadly, (os.fsync, Path.replace, Path.unlink))
    store = module.Store(root / str(number))
    for at in (0, 2):
        store.put_many("adapters", records(at, at + 1))
        os.write(said, bytes([at, at + 1]))
    for at in range(4, 9):
        store.put("adapters", key(at), record(at))
        os.write(said, bytes([at]))

ends = []
for number in range(1, 200):
    process = os.fork()
    if not process:
        child(number)
        os._exit(0)
    ends.append(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
    if ends[-1] == 0:
        break
print(json.dumps(ends))
"""


@pytest.mark.slow  # more than forty processes that die
def test_a_kill_anywhere_in_a_write_loses_nothing_that_was_put(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHARD", 4)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path], check=True, stdout=subprocess.PIPE
    )
    ends = json.loads(done.stdout)
    # every write, rename and removal had its turn, and then one child came through
    assert len(ends) > 25
    assert ends == [-signal.SIGKILL] * (len(ends) - 1) + [0]
    for number in range(1, len(ends) + 1):
        said = (tmp_path / f"{number}.said").read_bytes()
        store = Store(tmp_path / str(number))
        assert holds(store, said)
        # what was being written is there whole or not at all
        assert all(holds(store, [at]) for at in range(9) if store.has("adapters", key(at)))
        # and whoever comes next goes on, through another move
        for at in set(range(13)) - {*said}:
            store.put("adapters", key(at), record(at))
        assert holds(store, range(13))
        assert len(files(store)[0]) < 8


# --- side by side -----------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from noisefloor_tests.support.records_planted import holds, key, record, records
from pytest_noisefloor.runs import store as module

module.SHARD = 4
store, first = module.Store(Path(sys.argv[1])), int(sys.argv[2])
mine = []
for at in range(first, 60, 2):
    if at % 5:
        store.put("adapters", key(at), record(at))
        mine.append(at)
    else:
        store.put_many("adapters", records(at, 1000 + at))
        mine += [at, 1000 + at]
    assert holds(store, mine[-8:])
assert holds(store, mine)
"""


def test_two_processes_that_write_and_move_lose_nothing(tmp_path, monkeypatch):
    """How many files they leave hangs on who was halted when; whoever comes next moves them."""
    monkeypatch.setattr(module, "SHARD", 4)
    store = Store(tmp_path)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, store.root, first]) for first in "01"
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert holds(store, [*range(60), *range(1000, 1060, 5)])
    loose = len(files(store)[0])
    assert loose < 48  # as many are put one by one, and whoever has four moves or sees it done
    store.put("adapters", key(60), record(60))
    assert len(files(store)[0]) == (loose + 1) % 4
    assert holds(store, [*range(61), *range(1000, 1060, 5)])
    assert not [path for path in (store.root / "locks").iterdir() if "moving" not in path.name]
