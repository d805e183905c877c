"""What a bet says of itself: its marks, its conditions in words, and whether it is a locked one."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.bet import Level, Registration, load_bet
from pytest_noisefloor.bets.lock import check_lock, lock_entries
from pytest_noisefloor.bets.registry import open_bet, registered_bet
from pytest_noisefloor.errors import BetError

BET = registered_bet("bet60")


@pytest.mark.parametrize(
    ("planted", "locked", "status", "before"),
    [
        (False, BET.registration.locked, "REGISTERED", ""),
        (False, None, "UNREGISTERED", "UNREGISTERED_"),
        (True, None, "PLANTED", "PLANTED_"),
        (True, BET.registration.locked, "PLANTED", "PLANTED_"),
    ],
)
def test_all_but_a_locked_bet_says_first_what_it_is(planted, locked, status, before):
    bet = replace(BET, planted=planted, registration=Registration(locked=locked))
    assert (bet.status(), bet.status().prefix("_")) == (status, before)


def test_a_registered_bet_is_locked_and_a_file_by_itself_is_neither_locked_nor_planted():
    path = resource_path("bets", "bet60.toml")
    locks = [e for e in lock_entries(path.name, path.parent / "LOCK") if e.sha256 == BET.sha256]
    assert (BET.planted, BET.registration.locked) == (False, locks[0].date)
    assert BET.registration_note == f"registered {BET.registered}"
    alone = load_bet(path)
    assert (alone.planted, alone.registration.locked) == (False, None)
    assert alone.registration_note == f"{BET.registered}, not locked"
    assert replace(alone, registration=BET.registration) == BET == open_bet("bet60")


@pytest.fixture
def own(tmp_path):
    """A function: a bet file of one's own, as Bet 60's but for a last line."""

    def own(last=""):
        path = tmp_path / "own.toml"
        path.write_text(resource_path("bets", "bet60.toml").read_text(encoding="utf-8") + last)
        return path

    return own


def test_a_file_of_ones_own_is_locked_if_its_text_was_and_else_not(own):
    """Twenty other texts have hashes on both sides of each locked one, but for 1 in 10⁵ locks."""
    assert open_bet(str(own())).registration.locked
    assert not [n for n in range(20) if open_bet(str(own(f"# {n}\n"))).registration.locked]


def test_a_name_is_no_file_and_a_file_no_name(tmp_path):
    with pytest.raises(BetError, match="bet 'bet99': expected bet37 or"):
        open_bet("bet99")
    with pytest.raises(BetError, match=r"bet61\.toml: No such file"):
        open_bet(str(tmp_path / "bet61.toml"))


def test_seeds_may_be_any_whole_numbers_from_0():
    assert replace(BET, seeds=(0, 3, 2**40)).seeds == (0, 3, 2**40)


def test_a_bet_may_be_about_three_hundred_users():
    users = tuple(f"user{n}" for n in range(300))
    assert replace(BET, users=users).users == users


def test_conditions_are_said_in_words():
    assert list(map(str, BET.criteria)) == [
        "ratio at least 1.5 on all users",
        "ratio at least 1.1 on 2/3 of the users",
        "ratio below 1 on 2/3 of the users",
    ]


@pytest.mark.parametrize("bar", ["inf", "-inf", "-1.5", "0.0", "nan"])
def test_a_bar_that_no_ratio_can_be_measured_by_is_refused(own, bar):
    path = own()
    path.write_text(path.read_text().replace("at_least = 1.5", f"at_least = {bar}"))
    with pytest.raises(
        BetError, match=r"STRICT: .*expected a bar above 0 and a share of at most 1"
    ):
        load_bet(path)


@pytest.fixture
def lock(tmp_path):
    """A copy of the lock and of all that it keeps."""
    folder = resource_path("bets")
    for path in [folder / "LOCK", *folder.rglob("*.toml")]:
        copy = tmp_path / path.relative_to(folder)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return tmp_path / "LOCK"


def test_no_edit_of_what_was_locked_passes_for_it(lock):
    """Whether its hash comes before or behind the one it is kept under."""
    bet = lock.with_name("bet60.toml")
    kept = lock.parent / "locked" / f"{BET.sha256}.toml"
    text = bet.read_text(encoding="utf-8")
    bet.write_text(f"{text}# changed\n", encoding="utf-8")
    for edit in range(20):
        kept.write_text(f"{text}# {edit}\n", encoding="utf-8")
        with pytest.raises(BetError, match="not the text that was locked on"):
            check_lock(bet, lock)


def test_the_difference_to_what_was_locked_shows_one_line_around(lock):
    bet: Path = lock.with_name("bet60.toml")
    lines = bet.read_text(encoding="utf-8").splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if line.startswith("at_least = 1.1"))
    bet.write_text("".join([*lines[:at], "at_least = 1.01\n", *lines[at + 1 :]]), encoding="utf-8")
    with pytest.raises(BetError) as caught:
        check_lock(bet, lock)
    shown = f" {lines[at - 1]}-{lines[at]}+at_least = 1.01\n {lines[at + 1]}"
    assert f"@@\n{shown}\nRestore it" in str(caught.value)


@pytest.mark.parametrize(
    ("level", "changes"),
    [
        (Level.STRICT, {"threshold": 1.05}),
        (Level.STRICT, {"fraction": Fraction(1, 2)}),
        (Level.LENIENT, {"fraction": Fraction(1, 3)}),
        (Level.CATASTROPHIC, {"fraction": Fraction(1, 3)}),
        (Level.CATASTROPHIC, {"threshold": 1.2}),
        (Level.CATASTROPHIC, {"comparison": "at least"}),
        (Level.LENIENT, {"comparison": "below"}),
    ],
)
def test_levels_that_could_hold_together_or_out_of_order_are_no_bet(level, changes):
    criteria = tuple(replace(c, **changes) if c.level is level else c for c in BET.criteria)
    with pytest.raises(BetError, match="levels that could hold together or out of order"):
        replace(BET, criteria=criteria)


def test_levels_may_share_a_bar_and_just_not_overlap():
    """Two thirds and a half are more than all: no set of units is in both."""
    strict, lenient, catastrophic = BET.criteria
    edges = (
        replace(strict, threshold=1.0, fraction=Fraction(2, 3)),
        replace(lenient, threshold=1.0),
        replace(catastrophic, fraction=Fraction(1, 2)),
    )
    assert replace(BET, criteria=edges).criteria == edges
