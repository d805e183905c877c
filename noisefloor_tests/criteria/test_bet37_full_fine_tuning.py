"""Bet 37 and 46: do the norm gains alone beat full fine-tuning, and what does that say of the user?

``37`` is the source's comparison, on three users; ``37-random`` asks it of gains that saw noise
alone; ``37-best`` lets full fine-tuning choose its rate, so that it is no straw man. ``46``
repeats Bet 37 over 5 seeds × 3 slices of the programmer.
"""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.plugin.outcomes import check_criterion

from .conftest import Outcome

pytestmark = pytest.mark.catalogue


@pytest.mark.parametrize("level", [Level.STRICT, Level.LENIENT, Level.CATASTROPHIC])
@pytest.mark.parametrize("bet", ["bet37", "bet37-random", "bet37-best", "bet46"])
def test_criterion(outcome: Outcome, bet: str, level: Level) -> None:
    verdict, claim = outcome(bet)
    check_criterion(verdict, level, claim)
