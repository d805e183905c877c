"""Bets are data: read strictly, locked by hash, amended by a dated entry alone."""

import hashlib
import tomllib
from datetime import date
from fractions import Fraction

import pytest

from pytest_noisefloor.bets import Level, load_bet, registered_bet
from pytest_noisefloor.data import data_path
from pytest_noisefloor.lock import (
    BetError,
    Entry,
    check_lock,
    lock_entries,
    locked_since,
    locked_text,
)
from pytest_noisefloor.recipe import Recipe, Scoring
from pytest_noisefloor.statistics import Statistic


@pytest.fixture
def text():
    return data_path("bets", "bet60.toml").read_text(encoding="utf-8")


@pytest.fixture
def bet_file(tmp_path, text):
    """A copy of Bet 60 to change."""
    path = tmp_path / "bet60.toml"
    path.write_text(text, encoding="utf-8")
    return path


def entry(path, day, reason="registered"):
    """A lock entry for a file as it stands now, whose text is kept."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    kept = path.parent / "locked" / f"{sha256}.toml"
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(path.read_bytes())
    return (
        f'[[lock]]\nfile = "{path.name}"\nsha256 = "{sha256}"\ndate = {day}\nreason = "{reason}"\n'
    )


def test_bet60_is_what_the_source_registered_and_what_we_registered_beside_it():
    bet = registered_bet("bet60")
    assert (bet.id, bet.name) == ("60", "60_norm_only_noise_floor")
    assert (bet.method, bet.seeds) == ("norm-only", (0,))
    assert bet.users == ("programmer", "novelist", "scientist")
    assert bet.statistic == Statistic(
        numerator="random",
        denominator="real",
        reach="oracle",
        slices="pooled by tokens",
        seeds="mean of the logarithm",
        unit="user",
    )
    assert bet.recipe == Recipe(
        lr=5e-5,
        steps=100,
        batch=4,
        sequence=256,
        beta1=0.9,
        beta2=0.999,
        eps=1e-8,
        weight_decay=0.01,
        dtype="float32",
        budget_s=300.0,
    )
    assert bet.scoring == Scoring(window=512, stride=256, tokens=8192)
    assert [(c.level, c.comparison, c.bar, c.share) for c in bet.criteria] == [
        (Level.STRICT, "at least", 1.5, Fraction(1)),
        (Level.LENIENT, "at least", 1.1, Fraction(2, 3)),
        (Level.CATASTROPHIC, "below", 1.0, Fraction(2, 3)),
    ]


@pytest.mark.parametrize(
    ("users", "two_of_three"),
    [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (8, 6), (9, 6), (100, 67)],
)
def test_two_of_three_of_n_users_is_two_thirds_rounded_up(users, two_of_three):
    needed = {c.level: c.needed(users) for c in registered_bet("bet60").criteria}
    assert needed == {
        Level.STRICT: users,
        Level.LENIENT: two_of_three,
        Level.CATASTROPHIC: two_of_three,
    }


# --- what a bet file may say -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "60"\n', "", "key 'id' is missing"),
        ('id = "60"', "id = 60", "id = 60; expected str"),
        ("registered = 2026-11-23", 'registered = "today"', "registered = 'today'; expected date"),
        ("registered = 2026-11-23", "registered = 2026-11-23T10:00:00", "expected date"),
        ('id = "60"', 'id = "60"\nnote = "x"', "unknown key 'note'"),
        ("seeds = [0]", "seeds = [0]\nslices = 3", "unknown key 'slices'"),
        ("seeds = [0]", "seeds = [0, 0]", r"seeds \[0, 0\]; .*each once"),
        ('id = "60"', 'id = "../60"', r"id = '\.\./60'; expected letters, digits, _ and -"),
        ('method = "norm-only"', 'method = "magic"', "method = 'magic'; expected norm-only"),
        ('users = ["programmer", "novelist", "scientist"]\n', "", "key 'users' is missing"),
        ('users = ["programmer"', "users = [7", r"users \[7, .*expected names, each once"),
        ('users = ["programmer"', 'users = ["novelist"', r"users \['novelist', .*each once"),
        ('users = ["programmer"', 'users = [""', r"users \['', .*expected names"),
        ("[statistic]", "[statistics]", "key 'statistic' is missing"),
        (
            'numerator = "random"',
            'numerator = "noise"',
            "numerator = 'noise'; expected real or ran",
        ),
        (
            'numerator = "random"',
            'numerator = ["random"]',
            r"\[statistic\] numerator = \['random'\]; expected str",
        ),
        ('numerator = "random"', 'numerator = "real"', "arms real, real, oracle; expected three"),
        ('numerator = "random"\n', "", r"\[statistic\] key 'numerator' is missing"),
        ('reach = "oracle"', 'reach = "real"', "arms real, random, real; expected three"),
        ('slices = "pooled by tokens"', 'slices = "mean"', "slices = 'mean'; expected 'pooled by"),
        ('"mean of the logarithm"', '"best"', "seeds = 'best'; expected 'mean of the logarithm'"),
        ('unit = "user"', 'unit = "slice"', "unit = 'slice'; expected 'user'"),
        (
            'unit = "user"',
            'unit = "user"\nmode = 1',
            r"\[statistic\] unknown key 'mode'; expected numerator,",
        ),
        ('id = "60"', 'id = "60"\nplanted = 1', "planted = 1; expected bool"),
        ("seeds = [0]", "seeds = []", r"seeds \[\]; expected whole numbers"),
        ("seeds = [0]", "seeds = [-1]", r"seeds \[-1\]; expected whole numbers"),
        ("seeds = [0]", 'seeds = ["0"]', r"seeds \['0'\]; expected whole numbers"),
        ("seeds = [0]", "seeds = 0", "seeds = 0; expected list"),
        ("steps = 100", "steps = 0", "steps=0, .*expected at least 1"),
        ("steps = 100", 'steps = "100"', r"\[design.recipe\] steps = '100'; expected int"),
        (
            "steps = 100",
            "stepz = 100",
            r"\[design.recipe\] unknown key 'stepz'; expected lr, steps",
        ),
        ("steps = 100", "steps = 100.0", r"steps = 100\.0; expected int"),
        (
            "tokens = 8192",
            "tokens = 8192\nnoize = 0.1",
            r"scoring\] unknown key 'noize'; expected win",
        ),
        ("stride = 256", "stride = 513", "stride=513, .*expected 1 ≤ stride ≤ window"),
        ("[design.recipe]", "[recipe]", "key 'recipe' is missing"),
        ("at_least = 1.5", "at_least = 0.0", "expected a bar above 0"),
        ("at_least = 1.5", "at_least = nan", "expected a bar above 0"),
        ("at_least = 1.5", "at_most = 1.5", "STRICT: at_most; expected one of at_least and below"),
        (
            "at_least = 1.5",
            "at_least = 1.5\nbelow = 2.0",
            "STRICT: at_least, below; expected one of at_least and below",
        ),
        ("at_least = 1.5", 'at_least = "1.5"', "at_least = '1.5'; expected float"),
        ('share = "1"', "share = 0.67", "share = 0.67; expected str"),
        ('share = "1"', 'share = "0.67"', "share '0.67'; expected \"1\" or a fraction"),
        ('share = "1"', 'share = "1/0"', "share '1/0'; expected"),
        ('share = "1"', 'share = "4/3"', "a share of at most 1"),
        ('share = "1"', 'share = "1"\nusers = 3', "unknown key 'users'"),
        ('name = "STRICT"', 'name = "SUPER"', "level 'SUPER'; expected STRICT, LENIENT or"),
        ('name = "STRICT"', 'name = "LENIENT"', r"expected one \[\[level\]\] each"),
        ('name = "STRICT"', 'name = "NOT_MET"', r"expected one \[\[level\]\] each"),
        ("[design]", "[design", "not TOML"),
    ],
)
def test_a_bet_file_with_a_mistake_is_one_error_that_names_it(bet_file, text, old, new, message):
    assert text.count(old) >= 1
    bet_file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BetError, match=message) as caught:
        load_bet(bet_file)
    assert str(caught.value).startswith(f"{bet_file}: ")


def test_a_level_that_is_given_twice_is_an_error(bet_file, text):
    bet_file.write_text(text + '\n[[level]]\nname = "STRICT"\nat_least = 0.1\nshare = "1/3"\n')
    with pytest.raises(BetError, match=r"expected one \[\[level\]\] each of STRICT"):
        load_bet(bet_file)


def test_a_bet_that_nobody_registered_is_an_error_that_names_those_that_are():
    with pytest.raises(BetError, match="bet 'bet99': expected bet37 or"):
        registered_bet("bet99")


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(BetError, match=r"nix\.toml: No such file"):
        load_bet(tmp_path / "nix.toml")


def test_the_hash_of_a_bet_does_not_depend_on_how_a_checkout_ends_its_lines(bet_file, text):
    before = load_bet(bet_file).sha256
    bet_file.write_bytes(text.encode().replace(b"\n", b"\r\n"))
    assert load_bet(bet_file).sha256 == before == hashlib.sha256(text.encode()).hexdigest()


# --- the lock --------------------------------------------------------------------------------


@pytest.fixture
def lock(tmp_path, bet_file):
    """A lock with one entry, of the bet as it is."""
    path = tmp_path / "LOCK"
    path.write_text(entry(bet_file, "2026-11-23"))
    return path


@pytest.fixture
def change(bet_file, text):
    """Lower LENIENT's bar after the registration."""
    bet_file.write_text(text.replace("at_least = 1.1", "at_least = 1.01"), encoding="utf-8")


def test_a_bet_as_it_was_locked_passes(bet_file, lock):
    check_lock(bet_file, lock)


def test_a_changed_bet_is_an_error_that_shows_how_to_amend(bet_file, lock, change):
    with pytest.raises(BetError, match="was locked on 2026-11-23 as") as caught:
        check_lock(bet_file, lock)
    message, difference, how, shown = str(caught.value).split("\n\n", 3)
    assert message.startswith(f"{bet_file}: it is not what was locked on 2026-11-23 as ")
    lines = difference.splitlines()
    assert lines[:2] == ["--- bet60.toml (locked)", "+++ bet60.toml (found)"]
    assert [line for line in lines[2:] if line[0] in "+-"] == [
        "-at_least = 1.1",
        "+at_least = 1.01",
    ]
    # what the message asks for is the amendment, but for the date and the reason
    found = hashlib.sha256(bet_file.read_bytes()).hexdigest()
    kept = lock.parent / "locked" / f"{found}.toml"
    assert how == f"Restore it, or amend it: copy it to {kept} and add at the end of {lock}"
    today = date(2027, 1, 2)
    shown = shown.replace("<today, as 2026-11-23>", str(today))
    (amendment,) = tomllib.loads(shown)["lock"]
    assert amendment.keys() == {"file", "sha256", "date", "reason"}
    lock.write_text(lock.read_text() + shown)
    kept.write_bytes(bet_file.read_bytes())
    check_lock(bet_file, lock)
    assert locked_text(lock_entries("bet60.toml", lock)[-1], lock) == bet_file.read_text()


@pytest.mark.parametrize("edited", [None, "edited since"])
def test_a_locked_text_that_is_gone_or_was_edited_is_an_error(bet_file, lock, change, edited):
    (kept,) = (lock.parent / "locked").iterdir()
    kept.unlink() if edited is None else kept.write_text(edited)
    with pytest.raises(BetError, match=r"\.toml: not the text that was locked on 2026-11-23"):
        check_lock(bet_file, lock)


def test_the_lock_gives_its_entries_for_a_bet_oldest_first(bet_file, lock, change):
    other = 'file = "other.toml"\nsha256 = "0"\ndate = 2026-11-24\nreason = "x"\n'
    lock.write_text(
        f"{lock.read_text()}[[lock]]\n{other}" + entry(bet_file, "2027-01-02", "a slip")
    )
    first, second = lock_entries("bet60.toml", lock)
    assert (first.date, first.reason) == (date(2026, 11, 23), "registered")
    found = hashlib.sha256(bet_file.read_bytes()).hexdigest()
    assert second == Entry(found, date(2027, 1, 2), "a slip")
    assert str(second) == f"locked on 2027-01-02 as {found[:12]}: a slip"


def test_a_text_is_locked_since_the_first_entry_of_its_hash(bet_file, lock, text, change):
    before, now = (
        hashlib.sha256(one).hexdigest() for one in (text.encode(), bet_file.read_bytes())
    )
    assert locked_since(now, lock) is None
    lock.write_text(
        lock.read_text()
        + entry(bet_file, "2027-01-02", "a slip")
        + entry(bet_file, "2027-01-05", "its comment, said better")
    )
    assert locked_since(now, lock) == date(2027, 1, 2)
    assert locked_since(before, lock) == date(2026, 11, 23)


@pytest.mark.parametrize("day", ["2026-11-23", "2027-01-02"])
def test_a_dated_amendment_is_accepted_also_on_the_day_of_the_registration(
    bet_file, lock, change, day
):
    lock.write_text(lock.read_text() + entry(bet_file, day, "the bar was a slip of the pen"))
    check_lock(bet_file, lock)


def test_what_was_amended_is_no_longer_accepted(bet_file, lock, text, change):
    lock.write_text(lock.read_text() + entry(bet_file, "2027-01-02"))
    bet_file.write_text(text, encoding="utf-8")
    with pytest.raises(BetError, match="was locked on 2027-01-02"):
        check_lock(bet_file, lock)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("date = 2027-01-02\n", "", "key 'date' is missing; an entry has file, sha256, date"),
        ("date = 2027-01-02", 'date = "today"', "date = 'today'; expected date"),
        ('reason = "amended"', "", "key 'reason' is missing"),
        ('reason = "amended"', 'reason = " "', "by date, each with its reason"),
        ("date = 2027-01-02", "date = 2026-11-22", "by date, each with its reason"),
        ("date = 2027-01-02", 'date = 2027-01-02\nby = "me"', "unknown key 'by'; an entry has"),
        ("[[lock]]", "lock", "not TOML"),
    ],
)
def test_an_amendment_that_is_not_whole_is_an_error(bet_file, lock, change, old, new, message):
    amendment = entry(bet_file, "2027-01-02", "amended")
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
        "pytest_noisefloor.bets.data_path", lambda _, *name: bet_file.parent.joinpath(*name)
    )
    with pytest.raises(BetError, match="was locked on"):
        registered_bet("bet60")
    lock.write_text(lock.read_text() + entry(bet_file, "2027-01-02"))
    assert registered_bet("bet60").criteria[1].bar == 1.01
