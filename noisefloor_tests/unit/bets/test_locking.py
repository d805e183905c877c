"""The command locks a bet file: what it writes, what it leaves alone, and what it refuses."""

import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier

import pytest

from noisefloor_tests.support.locking import lock, lock_entry
from pytest_noisefloor._files import resource_path, text_sha256
from pytest_noisefloor.bets.lock import check_lock, lock_entries, locked_text, read_lock
from pytest_noisefloor.bets.locking import append_to_lock, check_lockable
from pytest_noisefloor.bets.registry import open_bet
from pytest_noisefloor.cli import main
from pytest_noisefloor.errors import BetError

WHY = "registered, before any run"


@pytest.fixture
def today(monkeypatch):
    """A day that does not end during a test."""

    class Today(date):
        @classmethod
        def today(cls):
            return cls(2026, 11, 30)

    monkeypatch.setattr("pytest_noisefloor.bets.locking.date", Today)
    return date(2026, 11, 30)


def everything(own):
    """What lies beside a bet, by its path."""
    return {path: path.read_bytes() for path in own.parent.rglob("*") if path.is_file()}


def weaken(own):
    own.write_text(own.read_text("utf-8").replace("at_least = 1.1", "at_least = 1.01"), "utf-8")


def test_a_first_lock_keeps_the_text_and_says_what_when_and_why(own, today, capsys):
    assert main(["lock", str(own), "--reason", f" {WHY}\n"]) == 0
    sha256 = text_sha256(own.read_bytes())
    said = f"{own}: locked on 2026-11-30 as {sha256[:12]}: {WHY}\nRegistered for the texts of prog"
    assert capsys.readouterr().out.startswith(said)
    (entry,) = tomllib.loads((own.parent / "LOCK").read_text("utf-8"))["lock"]
    assert entry == {"file": "ours.toml", "sha256": sha256, "date": today, "reason": WHY}
    (kept,) = (own.parent / "locked").iterdir()
    assert (kept.name, kept.read_bytes()) == (f"{sha256}.toml", own.read_bytes())
    bet = open_bet(str(own))
    assert (bet.status(), bet.registration.locked) == ("REGISTERED", today)
    assert bet.registration.by_project


def test_a_text_that_is_locked_already_is_said_so_and_nothing_is_written(own, today, capsys):
    assert main(["lock", str(own), "--reason", WHY]) == 0
    before = everything(own)
    for words in ([], ["--reason", "once more"]):
        capsys.readouterr()
        assert main(["lock", str(own), *words]) == 0
        assert capsys.readouterr().out.startswith(f"{own}: already locked on 2026-11-30 as ")
        assert everything(own) == before


@pytest.mark.parametrize("reason", [[], ["--reason", " "]])
def test_a_lock_without_its_reason_is_a_wrong_command_line(own, today, capsys, reason):
    before = everything(own)
    assert main(["lock", str(own), *reason]) == 2
    printed, errors = capsys.readouterr()
    assert not printed
    assert "Usage: noisefloor lock [OPTIONS]" in errors
    assert "--reason: missing; a lock and each amendment need one" in errors
    assert everything(own) == before


def test_an_amendment_shows_the_difference_and_needs_a_reason(own, today, capsys):
    assert main(["lock", str(own), "--reason", WHY]) == 0
    first = (own.parent / "LOCK").read_bytes()
    capsys.readouterr()
    weaken(own)
    with pytest.raises(BetError) as caught:
        open_bet(str(own))
    before = everything(own)
    assert main(["lock", str(own)]) == 2
    difference = capsys.readouterr().out
    assert "\n-at_least = 1.1\n+at_least = 1.01\n" in difference
    assert difference.strip() in str(caught.value)
    assert everything(own) == before

    assert main(["lock", str(own), "--reason", "a slip of the pen"]) == 0
    assert capsys.readouterr().out.startswith(difference)
    assert (own.parent / "LOCK").read_bytes().startswith(first)
    entries = lock_entries("ours.toml", own.parent / "LOCK")
    assert [entry.reason for entry in entries] == [WHY, "a slip of the pen"]
    assert locked_text(entries[-1], own.parent / "LOCK") == own.read_text("utf-8")
    assert open_bet(str(own)).status() == "REGISTERED"


def test_a_text_may_come_back_and_each_time_is_an_amendment(own, today):
    """One of the two changes is to a hash that is larger, the other to one that is smaller."""
    text = own.read_bytes()
    for why, change in (
        ("first", lambda: None),
        ("second", lambda: weaken(own)),
        ("third", lambda: own.write_bytes(text)),
    ):
        change()
        assert check_lockable(own).locked is None
        assert append_to_lock(check_lockable(own), why).reason == why
        assert check_lockable(own).locked.reason == why
    assert len(lock_entries("ours.toml", own.parent / "LOCK")) == 3
    assert open_bet(str(own)).status() == "REGISTERED"


@pytest.mark.parametrize("name", ["older.toml", "younger.toml"])
@pytest.mark.parametrize(
    ("end", "gap"), [("", "\n\n"), ("\n", "\n"), ("\r\n", "\n"), ("\n# a comment", "\n\n")]
)
def test_older_entries_stay_byte_for_byte_whatever_they_end_in(own, today, name, end, gap):
    other = own.with_name(name)
    other.write_bytes(own.read_bytes())
    before = lock_entry(other, "2026-11-24").rstrip("\n") + end
    (own.parent / "LOCK").write_bytes(before.encode())
    append_to_lock(check_lockable(own), WHY)
    text = (own.parent / "LOCK").read_bytes().decode()
    assert text.startswith(f'{before}{gap}[[lock]]\nfile = "ours.toml"\n')
    for path in (other, own):
        check_lock(path, own.parent / "LOCK")


def test_the_text_is_kept_with_the_line_ends_that_were_hashed(own, today):
    text = own.read_bytes()
    own.write_bytes(text.replace(b"\n", b"\r\n"))
    append_to_lock(check_lockable(own), WHY)
    (kept,) = (own.parent / "locked").iterdir()
    assert kept.read_bytes() == text
    assert check_lockable(own).locked
    own.write_bytes(text)
    assert check_lockable(own).locked


@pytest.mark.parametrize("reason", ['a "slip"', "back\\slash", "two\nlines", "×👍\tयह"])
def test_a_reason_is_read_back_as_it_was_given(own, today, reason):
    append_to_lock(check_lockable(own), reason)
    assert lock_entries("ours.toml", own.parent / "LOCK")[0].reason == reason


def test_a_planted_bet_may_be_locked_and_stays_planted(own, today):
    own.write_text("planted = true\n" + own.read_text("utf-8"), "utf-8")
    append_to_lock(check_lockable(own), WHY)
    assert open_bet(str(own)).status() == "PLANTED"


def test_a_shipped_bet_is_amended_by_the_same_command(own, today, monkeypatch):
    """As CONTRIBUTING says; its id and name are its own there."""
    monkeypatch.setattr(
        "pytest_noisefloor.bets.registry.resource_path",
        lambda _, *name: own.parent.joinpath(*name),
    )
    lock(own)
    weaken(own)
    append_to_lock(check_lockable(own), "a slip")
    check_lock(own, own.parent / "LOCK")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace('id = "ours"', 'id = "60"'), "id '60', name 'ours_"),
        (
            lambda text: text.replace('name = "ours', 'name = "60'),
            "name '60_norm_only_noise_floor'",
        ),
        (lambda text: text.replace("2026-11-23", "2026-12-01"), "registered 2026-12-01; expected"),
        (lambda text: text.replace("steps = 100", "steps = 'x'"), "steps = 'x'"),
        (lambda _: "[", "not TOML"),
        (lambda _: 'id = "7"', "is missing"),
    ],
)
def test_what_is_no_bet_or_could_not_be_opened_once_locked_is_one_line(
    own, today, capsys, change, message
):
    own.write_text(change(own.read_text("utf-8")), "utf-8")
    before = everything(own)
    assert main(["lock", str(own), "--reason", WHY]) == 4
    printed, errors = capsys.readouterr()
    assert not printed
    assert errors.startswith(f"error: {own}: ")
    assert message in errors
    assert errors.count("\n") == 1
    assert everything(own) == before


@pytest.mark.parametrize("name", ["ours", "ours.json", "ours.txt"])
def test_a_bet_file_is_known_by_its_name(own, today, name):
    """A session would take another for the name of a registered bet."""
    with pytest.raises(BetError, match=r"expected a bet file, whose name ends in \.toml"):
        check_lockable(own.rename(own.with_name(name)))


def test_an_amendment_cannot_move_the_registration_behind_the_first_lock(own, today):
    lock(own)
    own.write_text(own.read_text("utf-8") + "# a slip\n", "utf-8")
    append_to_lock(check_lockable(own), "a slip")
    own.write_text(own.read_text("utf-8").replace("2026-11-23", "2026-11-25"), "utf-8")
    with pytest.raises(BetError, match="no day after its first lock, 2026-11-24"):
        check_lockable(own)


@pytest.mark.parametrize("name", ["bet60", "nowhere.toml"])
def test_a_name_or_a_file_that_is_not_there_is_one_line(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    assert main(["lock", name, "--reason", WHY]) == 4
    assert capsys.readouterr().err.startswith(f"error: {name}: ")
    assert not list(tmp_path.iterdir())


def test_a_copy_of_a_shipped_bet_is_registered_already_and_not_ones_own(tmp_path, today):
    copy = tmp_path / "bet60.toml"
    copy.write_bytes(resource_path("bets", "bet60.toml").read_bytes())
    with pytest.raises(BetError, match="expected others than those of the shipped Bet 60"):
        check_lockable(copy)


def test_a_lock_that_is_broken_or_ahead_of_today_is_refused(own, today):
    for text in ("", "lock = 3"):
        (own.parent / "LOCK").write_text(text)
        with pytest.raises(BetError, match="LOCK"):
            check_lockable(own)
    lock(own, on=today + timedelta(days=1))
    weaken(own)
    with pytest.raises(BetError, match="expected a day up to today, 2026-11-30"):
        check_lockable(own)
    lock(own)
    (own.parent / "locked" / f"{text_sha256(own.read_bytes())}.toml").unlink()
    with pytest.raises(BetError, match="not the text that was locked"):
        check_lockable(own)


def test_a_folder_that_cannot_be_written_to_is_one_line_and_leaves_the_lock(own, today, capsys):
    (own.parent / "locked").write_text("a file where the folder should be")
    before = everything(own)
    assert main(["lock", str(own), "--reason", WHY]) == 4
    errors = capsys.readouterr().err
    assert errors.startswith(f"error: {own.parent / 'locked'}/")
    assert "expected a folder where a file is" in errors
    assert everything(own) == before


def bets(folder, numbers):
    """Bets of one folder, each with an id and a name of its own."""
    text = resource_path("bets", "bet60.toml").read_text("utf-8")
    for n in numbers:
        own = text.replace('id = "60"', f'id = "own-{n}"')
        own = own.replace('name = "60_norm_only_noise_floor"', f'name = "own_{n}"')
        path = folder / f"own{n}.toml"
        path.write_text(own, "utf-8")
        yield path


def test_commands_at_once_wait_for_each_other_and_lose_no_entry(tmp_path, today):
    paths = list(bets(tmp_path, range(8)))
    ready = Barrier(len(paths))

    def command(path):
        found = check_lockable(path)
        ready.wait()
        return append_to_lock(found, WHY)

    with ThreadPoolExecutor(len(paths)) as pool:
        entries = list(pool.map(command, paths))
    assert {entry.file for entry in read_lock(tmp_path / "LOCK")} == {p.name for p in paths}
    assert [entry.file for entry in entries] == [path.name for path in paths]


@pytest.mark.parametrize(
    "form",
    [
        "lock = []\n",
        'lock = [{file = "a.toml", sha256 = "%s", date = 2026-11-01, reason = "x"}]\n' % ("0" * 64),
    ],
)
def test_a_lock_to_which_nothing_can_be_appended_is_refused_and_left(own, today, form):
    """TOML knows two forms of a list of tables, and a file can have but one."""
    register = own.parent / "LOCK"
    register.write_text(form, "utf-8")
    before = everything(own)
    with pytest.raises(BetError, match=r"nothing can be appended; expected each entry as \[\[lock"):
        append_to_lock(check_lockable(own), WHY)
    assert everything(own) == before


def test_a_bet_that_changes_while_it_is_locked_is_refused_and_nothing_is_written(own, today):
    found = check_lockable(own)
    own.write_text(own.read_text("utf-8") + "# a later thought\n", "utf-8")
    before = everything(own)
    with pytest.raises(BetError, match="it changed while it was being locked; lock it again"):
        append_to_lock(found, WHY)
    assert everything(own) == before


def test_a_lock_that_is_a_link_stays_one_and_the_shared_file_gets_the_entry(own, today, tmp_path):
    (own.parent / "LOCK").write_text(lock_entry(own, "2026-11-24"), "utf-8")
    shared = (own.parent / "LOCK").rename(tmp_path / "SHARED")
    (own.parent / "LOCK").symlink_to(shared)
    weaken(own)
    entry = append_to_lock(check_lockable(own), WHY)
    assert (own.parent / "LOCK").is_symlink()
    assert read_lock(shared)[1:] == (entry,)
    assert locked_text(entry, own.parent / "LOCK") == own.read_text("utf-8")


def test_a_reason_that_is_no_text_is_refused_before_anything_is_written(own, today):
    before = everything(own)
    with pytest.raises(BetError, match="expected Unicode text"):
        append_to_lock(check_lockable(own), "\udcff")
    assert everything(own) == before
