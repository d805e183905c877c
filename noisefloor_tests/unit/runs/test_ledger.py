"""The ledger: one line for each verdict, counted once, and nothing changed unnoticed."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime

import pytest

from noisefloor_tests.support.ledgers import TEXTS, bet, chain, record
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.runs import ledger as module
from pytest_noisefloor.runs.ledger import Ledger, LedgerError, read_ledger, shipped_ledger
from pytest_noisefloor.runs.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def ledger(store):
    return Ledger(store)


@pytest.fixture
def other(store, monkeypatch):
    """A function: the same store's ledger, as another process has it."""

    def other(process):
        monkeypatch.setattr(module, "_PROCESS", process)
        return Ledger(store)

    return other


def files(store):
    return sorted((store.root / "ledger").iterdir())


def test_a_line_says_what_was_formed_and_rests_on_the_line_before(store, ledger):
    before = datetime.now(UTC)
    record(ledger, locked=date(2026, 11, 23), texts=TEXTS[::-1], level="LENIENT")
    record(ledger, "61", seeds=(0, 1))
    (file,) = files(store)
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert before <= datetime.fromisoformat(first["time"]) <= datetime.now(UTC)
    by_hand = (
        f'{{"base":"{"b" * 64}","bet":"60","bet_sha256":"{bet().sha256}","level":"LENIENT",'
        f'"locked":"2026-11-23","prev":null,"seeds":[0],"texts":["{"1" * 64}","{"2" * 64}"],'
        f'"time":"{first["time"]}"}}'
    )
    assert first.pop("sha256") == hashlib.sha256(by_hand.encode()).hexdigest() == second["prev"]
    assert first == json.loads(by_hand)
    assert (second["bet"], second["seeds"], second["locked"]) == ("61", [0, 1], None)


def test_a_line_is_on_disk_before_the_verdict_goes_on(ledger, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    record(ledger)
    assert len(synced) == 1


def test_a_bet_that_is_run_by_other_seeds_than_its_own_is_not_locked(ledger):
    assert record(ledger, locked=date(2026, 11, 23), seeds=(1,))[-1].locked is None


# --- counted once ------------------------------------------------------------------------------


def test_a_second_verdict_of_the_same_adds_no_line_whichever_process_formed_the_first(
    store, ledger, other
):
    first = record(ledger)
    record(ledger, "61")
    content = [file.read_bytes() for file in files(store)]
    # the level may differ by an update of the judge; the lock may be younger than the run
    assert record(other("b"), level="LENIENT", locked=date(2026, 11, 24)) == first
    assert [file.read_bytes() for file in files(store)] == content


@pytest.mark.parametrize(
    "changes",
    [{"name": "61"}, {"base": "c" * 64}, {"texts": TEXTS[:1]}, {"texts": ()}, {"seeds": (1,)}],
)
def test_another_bet_base_text_or_seed_is_another_verdict(ledger, changes):
    record(ledger)
    assert len(record(ledger, **changes)) == 2


def test_a_verdict_that_the_shipped_ledger_has_adds_no_line(store, ledger):
    shipped = shipped_ledger()
    line = shipped[3]
    known = ledger.record(
        bet=registered_bet("bet61"),
        base=line.base,
        texts=line.texts,
        seeds=line.seeds,
        level="NOT_MET",
    )
    assert known == shipped[:4]
    assert not (store.root / "ledger").exists()


def test_shipped_lines_come_first_only_where_one_is_about_the_base_and_a_text(ledger):
    shipped = shipped_ledger()
    one = shipped[0]
    assert len(record(ledger, base=one.base, texts=TEXTS)) == 1
    assert len(record(ledger, texts=one.texts)) == 2
    known = record(ledger, base=one.base, texts=(TEXTS[0], one.texts[0]))
    assert known[: len(shipped)] == shipped
    assert len(known) == len(shipped) + 3


# --- several writers ---------------------------------------------------------------------------


def test_each_process_has_a_file_whose_first_line_rests_on_the_latest_of_the_others(
    store, ledger, other
):
    record(ledger, "60")
    record(ledger, "61")
    second = other("b")
    record(second, "62")
    record(second, "63")
    last = record(other("c"), "64")
    assert [line.bet for line in last] == ["60", "61", "62", "63", "64"]
    assert [line.prev for line in last] == [None, *(line.sha256 for line in last[:-1])]
    assert len(files(store)) == 3


def test_a_line_stands_behind_what_it_rests_on_though_its_clock_is_slow(store, ledger):
    late, early = chain(
        {"time": "2026-11-24T12:00:09+00:00"}, {"time": "2026-11-24T12:00:01+00:00"}
    )
    (alone,) = chain({"bet": "61", "time": "2026-11-24T12:00:03+00:00"})
    for name, line in (("a", early), ("b", late), ("c", alone)):
        write(store, name, [line])
    assert ledger.lines() == (alone, late, early)


def test_a_copied_file_counts_once(store, ledger):
    lines = chain({}, {"bet": "61"})
    write(store, "a", lines)
    write(store, "a (1)", lines)
    assert ledger.lines() == lines


# each process forks once, and both add what the others add too, and what nobody else adds
WRITER = """
import os, sys
from pathlib import Path
from noisefloor_tests.support.ledgers import record
from pytest_noisefloor.runs.ledger import Ledger
from pytest_noisefloor.runs.store import Store

ledger = Ledger(Store(Path(sys.argv[1])))
record(ledger, f"first-{sys.argv[2]}")
child = os.fork()
for number in range(6):
    record(ledger, f"shared-{number}")
    record(ledger, f"{sys.argv[2]}-{bool(child)}-{number}")
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


def test_processes_that_write_at_once_have_a_file_each_and_lose_and_repeat_nothing(store, ledger):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, store.root, name]) for name in ("a", "b")
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(files(store)) == 4  # of two processes and their forks
    names = [line.bet for line in ledger.lines()]
    assert len(names) == len(set(names)) == 2 + 6 + 4 * 6


# --- what was changed is noticed ---------------------------------------------------------------


def write(store, name, lines):
    path = store.root / "ledger" / f"{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{line.model_dump_json(exclude_unset=True)}\n" for line in lines))
    return path


@pytest.fixture
def three(store):
    return write(store, "three", chain({"bet": "60"}, {"bet": "61"}, {"bet": "62"}))


def edit(old, new, at):
    def change(lines):
        assert old in lines[at]
        lines[at] = lines[at].replace(old, new)

    return change


HASH, LINK = "its sha256 is not that of the line", "its prev is not the sha256 of the line before"

DAMAGE = {
    "an edited level": (edit("NOT_MET", "LENIENT", 1), 2, HASH),
    "an edited last line": (edit("NOT_MET", "LENIENT", 2), 3, HASH),
    "an edited lock": (edit('"2026-11-23"', "null", 0), 1, HASH),
    "a wrong type": (edit('"2026-11-23"', "20261123", 0), 1, "locked = 20261123; expected text"),
    "a wrong key": (edit('"bet"', '"bit"', 1), 2, "unknown key 'bit'; expected time, bet,"),
    "a wrong level": (edit("NOT_MET", "GOOD", 1), 2, "level = 'GOOD'; expected 'STRICT'"),
    "a wrong time": (edit("2026-11-24", "24 Nov", 1), 2, "expected a time, as 2026-11-24T12:00"),
    "no first line": (lambda lines: lines.pop(0), 1, "the line before it is in no file beside it"),
    "no second line": (lambda lines: lines.pop(1), 2, LINK),
    "first lines swapped": (lambda lines: lines.insert(0, lines.pop(1)), 2, LINK),
    "last lines swapped": (lambda lines: lines.append(lines.pop(1)), 2, LINK),
    "half a line": (lambda lines: lines.append(lines.pop()[:40]), 3, "not JSON (Unterminated"),
    "an empty line": (lambda lines: lines.insert(1, ""), 2, "not JSON (Expecting value"),
    "too deep": (lambda lines: lines.insert(1, "[" * 100_000), 2, "not JSON ("),
    "a list": (lambda lines: lines.insert(1, "[]"), 2, "[]; expected a table with time"),
    "no UTF-8": (lambda lines: lines.insert(1, "\udcff"), 2, "not JSON ('utf-8' codec"),
}


@pytest.mark.parametrize(("change", "number", "words"), DAMAGE.values(), ids=DAMAGE)
def test_a_changed_line_is_one_error_that_names_it_and_says_what_to_do(
    three, ledger, change, number, words
):
    lines = three.read_text().splitlines()
    change(lines)
    three.write_bytes("\n".join([*lines, ""]).encode(errors="surrogateescape"))
    with pytest.raises(LedgerError) as caught:
        record(ledger)
    message = str(caught.value)
    assert message.startswith(f"{three}:{number}: ")
    assert words in message
    assert message.endswith("from a copy, or move it aside, and a new ledger begins")
    assert message.count("\n") == 0


def test_a_removed_file_is_noticed_where_another_rests_on_it(store, ledger, other):
    record(ledger, "60")
    record(other("b"), "61")
    first, second = sorted(files(store), key=lambda path: "b-" in path.name)
    first.unlink()
    with pytest.raises(LedgerError, match=r":1: the line before it is in no file beside it"):
        ledger.lines()
    second.unlink()
    assert ledger.lines() == ()


def test_removed_last_lines_are_not_noticed_as_the_documents_say(three, ledger):
    lines = three.read_text().splitlines()
    three.write_text("\n".join([*lines[:2], ""]))
    assert [line.bet for line in ledger.lines()] == ["60", "61"]


# --- the shipped lines -------------------------------------------------------------------------


def test_the_shipped_lines_are_whole_and_each_says_where_it_is_from():
    lines = read_ledger(resource_path("ledger.jsonl"))
    assert len(lines) == 29
    assert all(line.source for line in lines)
    assert len({line.attempt for line in lines}) == len(lines)
    exact = [line.formed for line in lines if "T" in line.time]
    assert exact == sorted(exact)
