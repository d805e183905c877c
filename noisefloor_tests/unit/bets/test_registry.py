"""What a bet says of itself: its status, and whether it is a locked one."""

from dataclasses import replace

import pytest

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.bet import load_bet
from pytest_noisefloor.bets.lock import lock_entries
from pytest_noisefloor.bets.registration import Registration
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
    first, *texts = lock_entries(path.name, path.parent / "LOCK")
    assert texts[-1].sha256 == BET.sha256
    assert (BET.planted, BET.registration.locked) == (False, texts[0].date)
    assert BET.has_text(texts[0].sha256)  # the digests of the texts are all that it lacks
    assert not BET.has_text(first.sha256)
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
