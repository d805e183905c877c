"""Bets are data: read strictly, locked by hash, amended by a dated entry alone."""

import hashlib
import tomllib
from datetime import date
from fractions import Fraction

import pytest

from pytest_noisefloor.bets import BetError, Level, check_lock, load_bet, registered_bet
from pytest_noisefloor.data import data_path
from pytest_noisefloor.recipe import Recipe, Scoring


@pytest.fixture
def text():
    return data_path("bets", "bet60.toml").read_text(encoding="utf-8")


@pytest.fixture
def bet_file(tmp_path, text):
    """A copy of Bet 60 to change."""
    path = tmp_path / "bet60.toml"
    path.write_text(text, encoding="utf-8")
    return path


def entry(path, day, reason="registered", sha256=None):
    """A lock entry for a file as it stands now."""
    sha256 = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    return (
        f'[[lock]]\nfile = "{path.name}"\nsha256 = "{sha256}"\ndate = {day}\nreason = "{reason}"\n'
    )


def test_bet60_is_what_the_source_registered_and_what_we_registered_beside_it():
    bet = registered_bet("bet60")
    assert (bet.id, bet.name) == ("60", "60_norm_only_noise_floor")
    assert (bet.method, bet.seeds) == ("norm-only", (0,))
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
        ('id = "60"', 'id = "60"\nplanted = 1', "planted = 1; expected bool"),
        ("seeds = [0]", "seeds = [0]\nusers = 3", "unknown key 'users'"),
        ("seeds = [0]", "seeds = []", r"seeds \[\]; expected whole numbers"),
        ("seeds = [0]", "seeds = [-1]", r"seeds \[-1\]; expected whole numbers"),
        ("seeds = [0]", 'seeds = ["0"]', r"seeds \['0'\]; expected whole numbers"),
        ("seeds = [0]", "seeds = 0", "seeds = 0; expected list"),
        ("steps = 100", "steps = 0", "steps=0, .*expected at least 1"),
        ("steps = 100", 'steps = "100"', "not supported between"),
        ("steps = 100", "stepz = 100", "unexpected keyword argument 'stepz'"),
        ("stride = 256", "stride = 513", "stride=513, .*expected 1 ≤ stride ≤ window"),
        ("[design.recipe]", "[recipe]", "key 'recipe' is missing"),
        ("at_least = 1.5", "at_least = 0.0", "expected a bar above 0"),
        ("at_least = 1.5", "at_least = nan", "expected a bar above 0"),
        ("at_least = 1.5", "at_most = 1.5", "key 'at_least' is missing"),
        ("at_least = 1.5", "at_least = 1.5\nbelow = 2.0", "unknown key 'at_least'"),
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
    with pytest.raises(BetError, match="bet 'bet99': expected bet60"):
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
    message, _, shown = str(caught.value).partition("\n\n")
    assert message.startswith(f"{bet_file}: its hash is ")
    assert message.endswith(f"at the end of {lock}")
    # what the message shows is the amendment, but for the date and the reason
    today = date(2027, 1, 2)
    shown = shown.replace("<today, as 2026-11-23>", str(today))
    (amendment,) = tomllib.loads(shown)["lock"]
    assert amendment.keys() == {"file", "sha256", "date", "reason"}
    lock.write_text(lock.read_text() + shown)
    check_lock(bet_file, lock)


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
