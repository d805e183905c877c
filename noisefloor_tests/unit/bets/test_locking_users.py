"""The command locks a bet for its users' texts: what it writes, shows and refuses."""

from datetime import date

import pytest

from noisefloor_tests.support.locking import lock
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.bet import load_bet
from pytest_noisefloor.bets.lock import lock_entries, locked_text, read_lock
from pytest_noisefloor.bets.locking import append_to_lock, check_copy, check_lockable
from pytest_noisefloor.bets.registry import open_bet, registered_bet
from pytest_noisefloor.cli import main
from pytest_noisefloor.data.users import text_digests
from pytest_noisefloor.errors import BetError

WHY = ("--reason", "registered, before any run")


@pytest.fixture
def here(tmp_path, monkeypatch, write_users):
    """The current folder, with texts of two users, and of one who holds a copy of another's."""
    monkeypatch.chdir(tmp_path)
    write_users(tmp_path / "texts", "ann", "bob", "eve")
    for file in ("train.txt", "heldout/a.txt"):
        text = (tmp_path / "texts" / "ann" / file).read_text()
        (tmp_path / "texts" / "eve" / file).write_text(f"{text} {text}")
    return tmp_path


@pytest.fixture
def bare(own, text):
    """The bet of one's own without texts."""
    own.write_text(own.read_text("utf-8").partition("\n[design.texts.")[0], "utf-8")
    return own


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def locked(path, *words, status=0):
    assert main(["lock", str(path), *words]) == status
    return open_bet(str(path)) if status == 0 else None


def test_a_bet_that_names_no_texts_is_not_locked_without_users(bare, capsys):
    before = everything(bare.parent)
    locked(bare, *WHY, status=4)
    printed, errors = capsys.readouterr()
    assert (printed, errors) == (
        "",
        f"error: {bare}: it names no users' texts, and a bet is registered for its texts alone; "
        "name them by --users, as shipped or a folder of users\n",
    )
    assert everything(bare.parent) == before


def test_a_planted_bet_may_name_none(bare):
    bare.write_text("planted = true\n" + bare.read_text("utf-8"), "utf-8")
    assert locked(bare, *WHY).status() == "PLANTED"


def test_one_that_was_locked_before_bets_named_texts_is_locked_already(bare, capsys):
    lock(bare)
    assert not locked(bare).texts
    assert "already locked on 2026-11-24" in capsys.readouterr().out


def test_users_are_written_into_the_file_with_their_texts_and_the_refused_with_why(
    here, bare, capsys
):
    bet = locked(bare, "--users", "texts", *WHY)
    assert bet.users == ("ann", "bob")
    assert bet.texts == text_digests(here / "texts", refused=["eve"])
    ((user, why),) = [(one.user, one.why) for one in bet.refused]
    assert user == "eve"
    assert why.startswith("user eve, training text: word 13-grams shared with user ann's training")
    assert capsys.readouterr().out.endswith(
        f"Registered for the texts of ann, bob.\nRefused: eve: {why}\n"
    )
    (entry,) = read_lock(bare.parent / "LOCK")
    assert locked_text(entry, bare.parent / "LOCK") == bare.read_text("utf-8")
    before = everything(bare.parent)
    locked(bare, "--users", "texts")  # all is as it was
    assert "already locked" in capsys.readouterr().out
    assert everything(bare.parent) == before


def test_shipped_users_are_those_whom_the_bet_names(bare):
    text = bare.read_text("utf-8")
    bare.write_text(text.replace('["programmer", "novelist", "scientist"]', '["novelist"]'))
    bet = locked(bare, "--users", "shipped", *WHY)
    assert bet.texts == text_digests("shipped", ["novelist"])


def test_other_texts_are_an_amendment_that_is_shown_and_needs_a_reason(here, bare, capsys):
    first = locked(bare, "--users", "texts", *WHY)
    (here / "texts" / "bob" / "train.txt").write_text("other words " * 50)
    capsys.readouterr()
    before = everything(bare.parent)
    locked(bare, "--users", "texts", status=2)
    difference, errors = capsys.readouterr()
    now = text_digests(here / "texts", refused=["eve"])["bob"].train
    assert f'\n-train = "{first.texts["bob"].train}"\n+train = "{now}"\n' in difference
    assert "--reason: missing; a lock and each amendment need one" in errors
    assert everything(bare.parent) == before
    bet = locked(bare, "--users", "texts", "--reason", "the wrong file")
    assert bet.texts["bob"].train == now
    entries = lock_entries("ours.toml", bare.parent / "LOCK")
    assert [entry.reason for entry in entries] == [WHY[1], "the wrong file"]
    # evidence that was made under the first text was made on other texts
    assert (bet.registration.older, bet.has_text(first.sha256)) == (frozenset(), False)


def test_texts_that_are_replaced_before_the_first_lock_are_shown_too(here, own, capsys):
    """A copy of a shipped file brings the shipped users' texts along."""
    locked(own, "--users", "texts", *WHY)
    printed = capsys.readouterr().out
    assert "--- ours.toml (before)\n" in printed
    assert "\n-[design.texts.programmer]\n" in printed
    assert "\n+[design.texts.ann]\n" in printed


def test_an_amendment_that_adds_texts_alone_keeps_the_day_of_the_lock_and_its_evidence(here, bare):
    text = bare.read_text("utf-8")
    bare.write_text(text.replace('["programmer", "novelist", "scientist"]', '["ann", "bob"]'))
    lock(bare, "2026-11-24")
    before = load_bet(bare)
    bet = locked(bare, "--users", "texts", "--reason", "the texts' digests")
    assert bet.registration.locked == date(2026, 11, 24)
    assert (bet.registration.older, bet.has_text(before.sha256)) == ({before.sha256}, True)


def test_if_no_user_can_be_used_nothing_is_written(here, bare, capsys):
    for name in ("ann", "bob", "eve"):
        (here / "texts" / name / "heldout" / "a.txt").write_text("few words")
    before = everything(bare.parent)
    locked(bare, "--users", "texts", *WHY, status=4)
    errors = capsys.readouterr().err
    assert errors.startswith(
        f"error: {bare}: no user in texts can be used (ann: user ann, slice a: 2 words; expected"
    )
    assert errors.count("\n") == 1
    assert everything(bare.parent) == before


def test_a_folder_that_is_not_there_is_one_line(bare, capsys):
    locked(bare, "--users", "nowhere", *WHY, status=4)
    message = "nowhere: no such folder; expected 'shipped' or a folder of users"
    assert capsys.readouterr().err == f"error: {message}\n"


# --- a copy of a registered bet -------------------------------------------------------------------


def test_a_copy_of_a_registered_bet_is_written_here_and_locked(here, capsys):
    assert main(["lock", "bet60", "--users", "texts", "--id", "mine"]) == 0
    own = open_bet("mine.toml")
    assert (own.id, own.name, own.design_of) == ("mine", "mine", "60")
    assert (own.registered, own.registration.locked) == (date.today(), date.today())
    assert (own.users, [*own.texts]) == (("ann", "bob"), ["ann", "bob"])
    assert (own.status(), own.registration.by_project) == ("REGISTERED", True)
    assert own.registration_note == (
        f"registered {date.today()} by its own project with Bet 60's design"
    )
    of = registered_bet("bet60")
    for key in ("method", "seeds", "recipe", "scoring", "contrast", "criteria", "hypothesis"):
        assert getattr(own, key) == getattr(of, key)
    printed = capsys.readouterr().out
    assert printed.startswith("mine.toml: locked on ")
    assert ": registered with the design of Bet 60\nRegistered for the texts of ann" in printed
    (entry,) = read_lock(here / "LOCK")
    assert entry.file == "mine.toml"
    assert main(["lock", "mine.toml"]) == 0  # it is locked already


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("bet60", "--id", "61"), "61.toml: id '61', name '61'; expected others than those of the"),
        (("bet60", "--id", "../x"), "id = '../x'; expected letters, digits, _ and -"),
        (("bet99", "--id", "x"), "bet 'bet99': expected bet37 or"),
        (("mine.toml", "--id", "x"), "bet 'mine.toml': expected bet37 or"),
        (("bet60",), "bet60: expected a bet file, whose name ends in .toml; of a registered bet "),
    ],
)
def test_what_makes_no_copy_is_one_line_and_nothing_is_written(here, capsys, words, message):
    before = everything(here)
    assert main(["lock", *words, "--users", "texts"]) == 4
    printed, errors = capsys.readouterr()
    assert not printed
    assert errors.startswith(f"error: {message}")
    assert errors.count("\n") == 1
    assert everything(here) == before


def test_a_copy_needs_users(here, capsys):
    assert main(["lock", "bet60", "--id", "mine"]) == 2
    assert "--users: missing; a copy is for users of its own" in capsys.readouterr().err
    assert not (here / "mine.toml").exists()


def test_a_copy_overwrites_no_file_and_takes_no_name_that_was_locked(here, capsys):
    (here / "mine.toml").write_text("mine")
    with pytest.raises(BetError, match=r"mine\.toml: there is one already, or was; expected anoth"):
        check_copy("bet60", "mine", "texts")
    assert (here / "mine.toml").read_text() == "mine"
    (here / "mine.toml").unlink()
    append_to_lock(check_copy("bet60", "mine", "texts"), "registered")
    (here / "mine.toml").unlink()
    with pytest.raises(BetError, match="there is one already, or was"):
        check_copy("bet60", "mine", "texts")


def test_a_file_that_appears_meanwhile_is_not_overwritten(here):
    found = check_copy("bet60", "mine", "texts")
    (here / "mine.toml").write_text("mine")
    with pytest.raises(BetError, match="it changed while it was being locked"):
        append_to_lock(found, "registered")
    assert (here / "mine.toml").read_text() == "mine"
    assert not (here / "LOCK").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lr = 5e-5", "lr = 5e-4", "recipe"),
        ("tokens = 8192", "tokens = 4096", "scoring"),
        ('method = "norm-only"', 'method = "full"', "method"),
        ("seeds = [0]", "seeds = [0, 1]", "seeds"),
        ("seeds = [0]", 'seeds = [0]\nbase = "reference"', "base"),
        ('numerator = "random"', 'numerator = "unigram"', "statistic"),
        ("at_least = 1.1", "at_least = 1.0", "levels"),
        ('share = "2/3"', 'share = "1"', "levels"),
    ],
)
def test_a_copy_whose_design_was_changed_is_refused_locked_or_not(here, old, new, words):
    append_to_lock(check_copy("bet60", "mine", "texts"), "registered")
    path = here / "mine.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    message = rf"mine\.toml: design_of = '60', but not its {words}; expected Bet 60's whole design"
    assert main(["lock", "mine.toml", "--reason", "a slip"]) == 4
    (here / "LOCK").unlink()
    with pytest.raises(BetError, match=message):
        open_bet("mine.toml")


def test_a_design_of_no_shipped_bet_is_refused(here):
    append_to_lock(check_copy("bet60", "mine", "texts"), "registered")
    path = here / "mine.toml"
    path.write_text(path.read_text("utf-8").replace('design_of = "60"', 'design_of = "99"'))
    with pytest.raises(
        BetError, match="design_of = '99'; expected the id of a shipped bet, one of"
    ):
        open_bet("mine.toml")


@pytest.mark.parametrize("path", sorted(resource_path("bets").glob("*.toml")), ids=lambda p: p.stem)
def test_every_shipped_bet_can_be_copied(here, path):
    found = check_copy(path.stem, "mine", "texts")
    assert (found.bet.design_of, found.bet.users) == (load_bet(path).id, ("ann", "bob"))


# --- the shipped bets -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(resource_path("bets").glob("*.toml")), ids=lambda p: p.stem)
def test_every_shipped_bet_is_registered_for_the_shipped_texts(path):
    bet = registered_bet(path.stem)
    assert bet.texts == text_digests("shipped", bet.users)
    assert not bet.refused
    *_, before, last = lock_entries(path.name, path.parent / "LOCK")
    assert bet.has_text(before.sha256)  # the amendment added the texts, and changed nothing else
    assert last.reason == "the texts' digests are written in the file; nothing else changed"


def test_a_candidate_whose_name_cannot_be_used_is_refused_and_the_others_are_locked(bare, here):
    """A session leaves out whom the bet refused, whatever the name."""
    (here / "texts" / "eve").rename(here / "texts" / "eve & co")
    bet = locked(bare, "--users", "texts", *WHY)
    assert bet.users == ("ann", "bob")
    ((name, why),) = [(one.user, one.why) for one in bet.refused]
    assert name == "eve & co"
    assert "expected [A-Za-z0-9]" in why
    assert [*text_digests("texts", bet.users, bet.refused_names)] == ["ann", "bob"]


@pytest.mark.parametrize("reason", ["a\x07", "a\x1b[1A", "a\u202eb"])
def test_a_reason_that_a_terminal_would_obey_is_refused(own, reason):
    before = everything(own.parent)
    with pytest.raises(BetError, match=r"^reason .*; expected text without control characters"):
        append_to_lock(check_lockable(own), reason)
    assert everything(own.parent) == before
