"""Bet 60, the noise floor: does an adapter trained on the user's text beat one trained on noise?

The hypothesis, the recipe and the levels are in ``fixtures/bets/bet60.toml``, locked by hash.
``noise_floor`` trains both adapters of each user, once ever, and scores them on the same held-out
text. Each test below asks one question of that comparison. A level that is missed is reported as
an expected failure with its numbers, since nobody claims it; random tokens winning on most users
is a failure outright.
"""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets import Level
from pytest_noisefloor.claims import settle
from pytest_noisefloor.judge import Verdict

pytestmark = pytest.mark.full


def test_strict(noise_floor: Verdict) -> None:
    """STRICT: the user's text beats random tokens by at least 1.5 × on every user."""
    settle(noise_floor, Level.STRICT)


def test_lenient(noise_floor: Verdict) -> None:
    """LENIENT: the user's text beats random tokens by at least 1.1 × on two users of three."""
    settle(noise_floor, Level.LENIENT)


def test_not_catastrophic(noise_floor: Verdict) -> None:
    """CATASTROPHIC: random tokens beat the user's text on two users of three. It must not hold."""
    settle(noise_floor, Level.CATASTROPHIC)
