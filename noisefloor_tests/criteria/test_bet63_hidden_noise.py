"""Bet 63: do Bet 60's effect and Bet 61's diagonal survive noise in the hidden states?

Scored with Gaussian noise of 1, 5 and 10 % of each token's RMS on every block's output; without any
they are Bets 60 and 61.
"""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.plugin.outcomes import check_criterion

from .conftest import Outcome

pytestmark = pytest.mark.catalogue


@pytest.mark.parametrize("level", [Level.STRICT, Level.LENIENT, Level.CATASTROPHIC])
@pytest.mark.parametrize("bet", ["bet63-01", "bet63-05", "bet63-10"])
def test_criterion(outcome: Outcome, bet: str, level: Level) -> None:
    verdict, claim = outcome(bet)
    check_criterion(verdict, level, claim)
