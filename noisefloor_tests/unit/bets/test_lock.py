"""A bet is locked by its hash, and amended by a dated entry alone."""

import hashlib
from datetime import date
from pathlib import Path

import pytest

from noisefloor_tests.support.locking import lock_entry
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.lock import Entry, check_lock, lock_entries
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.errors import BetError

BET = registered_bet("bet60")


@pytest.fixture
def lock(tmp_path, bet_file):
    """A lock with one entry, of the bet as it is."""
    path = tmp_path / "LOCK"
    path.write_text(lock_entry(bet_file, "2026-11-23"))
    return path


@pytest.fixture
def change(bet_file, text):
    """Lower LENIENT's threshold after the registration."""
    bet_file.write_text(text.replace("at_least = 1.1", "at_least = 1.01"), encoding="utf-8")


def test_a_bet_as_it_was_locked_passes(bet_file, lock):
    check_lock(bet_file, lock)


def test_a_changed_bet_is_an_error_that_shows_how_to_amend(bet_file, lock, change):
    with pytest.raises(BetError, match="was locked on 2026-11-23 as") as caught:
        check_lock(bet_file, lock)
    message, difference = str(caught.value).split("\n\n", 1)
    assert message.startswith(f"{bet_file}: it is not what was locked on 2026-11-23 as ")
    *lines, empty, how = difference.splitlines()
    assert lines[:2] == ["--- bet60.toml (locked)", "+++ bet60.toml (found)"]
    assert [line for line in lines[2:] if line[0] in "+-"] == [
        "-at_least = 1.1",
        "+at_least = 1.01",
    ]
    assert not empty
    command = f'noisefloor lock {bet_file} --reason "<what changed, and why>"'
    assert how == f"Restore it, or amend it: {command}"


def test_a_locked_text_that_is_gone_is_an_error(bet_file, lock, change):
    (kept,) = (lock.parent / "locked").iterdir()
    kept.unlink()
    with pytest.raises(BetError, match=r"\.toml: not the text that was locked on 2026-11-23"):
        check_lock(bet_file, lock)


def test_the_lock_gives_its_entries_for_a_bet_oldest_first(bet_file, lock, change):
    other = f'file = "other.toml"\nsha256 = "{"0" * 64}"\ndate = 2026-11-24\nreason = "x"\n'
    lock.write_text(
        f"{lock.read_text()}[[lock]]\n{other}" + lock_entry(bet_file, "2027-01-02", "a slip")
    )
    first, second = lock_entries("bet60.toml", lock)
    assert (first.date, first.reason) == (date(2026, 11, 23), "registered")
    found = hashlib.sha256(bet_file.read_bytes()).hexdigest()
    assert second == Entry(file="bet60.toml", sha256=found, date=date(2027, 1, 2), reason="a slip")
    assert str(second) == f"locked on 2027-01-02 as {found[:12]}: a slip"


@pytest.mark.parametrize("day", ["2026-11-23", "2027-01-02"])
def test_a_dated_amendment_is_accepted_also_on_the_day_of_the_registration(
    bet_file, lock, change, day
):
    lock.write_text(
        lock.read_text() + lock_entry(bet_file, day, "the threshold was a slip of the pen")
    )
    check_lock(bet_file, lock)


def test_what_was_amended_is_no_longer_accepted(bet_file, lock, text, change):
    lock.write_text(lock.read_text() + lock_entry(bet_file, "2027-01-02"))
    bet_file.write_text(text, encoding="utf-8")
    with pytest.raises(BetError, match="was locked on 2027-01-02"):
        check_lock(bet_file, lock)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("date = 2027-01-02\n", "", r"lock\[1\]: key 'date' is missing; expected the day"),
        ("date = 2027-01-02", 'date = "today"', r"lock\[1\]\.date = 'today'; expected a date"),
        ('reason = "amended"', "", "key 'reason' is missing; expected why it was locked or"),
        ('reason = "amended"', 'reason = " "', "reason = ' '; expected why it was locked or"),
        (
            "date = 2027-01-02",
            "date = 2026-11-22",
            "2026-11-23, 2026-11-22; expected entries by date",
        ),
        (
            "date = 2027-01-02",
            'date = 2027-01-02\nby = "me"',
            "unknown key 'by'; expected file, sha256, date, reason",
        ),
        ("[[lock]]", "lock", "not TOML"),
    ],
)
def test_an_amendment_that_is_not_whole_is_an_error(bet_file, lock, change, old, new, message):
    amendment = lock_entry(bet_file, "2027-01-02", "amended")
    assert old in amendment
    lock.write_text(lock.read_text() + amendment.replace(old, new))
    with pytest.raises(BetError, match=message):
        check_lock(bet_file, lock)


def test_a_bet_that_was_never_locked_is_an_error(bet_file, lock):
    other = bet_file.rename(bet_file.with_name("bet61.toml"))
    with pytest.raises(BetError, match=r"bet61\.toml: not in LOCK; a bet is locked before"):
        check_lock(other, lock)


def test_a_lock_without_entries_is_an_error(bet_file, lock):
    lock.write_text("")
    with pytest.raises(BetError, match="key 'lock' is missing"):
        check_lock(bet_file, lock)


def test_a_registered_bet_is_checked_against_the_lock_beside_it(
    bet_file, lock, change, monkeypatch
):
    monkeypatch.setattr(
        "pytest_noisefloor.bets.registry.resource_path",
        lambda _, *name: bet_file.parent.joinpath(*name),
    )
    with pytest.raises(BetError, match="was locked on"):
        registered_bet("bet60")
    lock.write_text(lock.read_text() + lock_entry(bet_file, "2027-01-02"))
    assert registered_bet("bet60").criteria[1].threshold == 1.01


# --- beside the shipped texts --------------------------------------------------------------------


@pytest.fixture
def whole_lock(tmp_path):
    """A copy of the lock and of all that it keeps."""
    folder = resource_path("bets")
    for path in [folder / "LOCK", *folder.rglob("*.toml")]:
        copy = tmp_path / path.relative_to(folder)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return tmp_path / "LOCK"


def test_no_edit_of_what_was_locked_passes_for_it(whole_lock):
    """Whether its hash comes before or behind the one it is kept under."""
    bet = whole_lock.with_name("bet60.toml")
    kept = whole_lock.parent / "locked" / f"{BET.sha256}.toml"
    text = bet.read_text(encoding="utf-8")
    bet.write_text(f"{text}# changed\n", encoding="utf-8")
    for edit in range(20):
        kept.write_text(f"{text}# {edit}\n", encoding="utf-8")
        with pytest.raises(BetError, match="not the text that was locked on"):
            check_lock(bet, whole_lock)


def test_the_difference_to_what_was_locked_shows_one_line_around(whole_lock):
    bet: Path = whole_lock.with_name("bet60.toml")
    lines = bet.read_text(encoding="utf-8").splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if line.startswith("at_least = 1.1"))
    bet.write_text("".join([*lines[:at], "at_least = 1.01\n", *lines[at + 1 :]]), encoding="utf-8")
    with pytest.raises(BetError) as caught:
        check_lock(bet, whole_lock)
    shown = f" {lines[at - 1]}-{lines[at]}+at_least = 1.01\n {lines[at + 1]}"
    assert f"@@\n{shown}\nRestore it" in str(caught.value)
