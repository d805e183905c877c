"""Bet 60, the noise floor: does an adapter trained on the user's text beat one trained on noise?

The hypothesis, the recipe and the levels are in ``fixtures/bets/bet60.toml``, locked by hash.
``noise_floor`` trains both adapters of each user, once ever, and scores them on the same held-out
text. Each test below asks one question of that comparison and holds the answer to what is claimed:
a level that is met and claimed passes, one that is missed and not claimed is an expected failure
with its numbers, and where claim and data disagree, either way, the test fails.
"""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.judging import Verdict
from pytest_noisefloor.claims.claim import Claim
from pytest_noisefloor.plugin.outcomes import check_criterion

pytestmark = pytest.mark.full


def test_strict(noise_floor: Verdict, noisefloor_claim: Claim | None) -> None:
    """STRICT: the user's text beats random tokens by at least 1.5 × on every user."""
    check_criterion(noise_floor, Level.STRICT, noisefloor_claim)


def test_lenient(noise_floor: Verdict, noisefloor_claim: Claim | None) -> None:
    """LENIENT: the user's text beats random tokens by at least 1.1 × on two users of three."""
    check_criterion(noise_floor, Level.LENIENT, noisefloor_claim)


def test_not_catastrophic(noise_floor: Verdict, noisefloor_claim: Claim | None) -> None:
    """CATASTROPHIC: random tokens beat the user's text on two users of three. It must not hold."""
    check_criterion(noise_floor, Level.CATASTROPHIC, noisefloor_claim)
