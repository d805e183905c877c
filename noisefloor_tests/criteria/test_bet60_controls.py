"""Bet 60 with stronger controls than uniform tokens: the rungs of the control ladder.

Tokens of the user's own frequencies, the user's own tokens without their order, and the text of the
other users together.
"""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.plugin.outcomes import check_criterion

from .conftest import Outcome

pytestmark = pytest.mark.catalogue


@pytest.mark.parametrize("level", [Level.STRICT, Level.LENIENT, Level.CATASTROPHIC])
@pytest.mark.parametrize("bet", ["bet60-unigram", "bet60-shuffled", "bet60-pooled"])
def test_criterion(outcome: Outcome, bet: str, level: Level) -> None:
    verdict, claim = outcome(bet)
    check_criterion(verdict, level, claim)
