"""Bet 52: norm gains on a base of ternary weights, against that base and against noise.

The reference base is rounded as it is, its embedding with it; nobody trained it to be ternary.
"""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.plugin.outcomes import check_criterion

from .conftest import Outcome

pytestmark = pytest.mark.catalogue


@pytest.mark.parametrize("level", [Level.STRICT, Level.LENIENT, Level.CATASTROPHIC])
@pytest.mark.parametrize("bet", ["bet52", "bet52-noise"])
def test_criterion(outcome: Outcome, bet: str, level: Level) -> None:
    verdict, claim = outcome(bet)
    check_criterion(verdict, level, claim)
