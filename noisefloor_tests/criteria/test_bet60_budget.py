"""Bet 60 with more budget: learning rate × steps from 0.005 (Bet 60 itself) to 5.

Three rates at 100 steps, and the registered rate for 1,000 steps, of which the source expects that
personalisation gains on regularisation. A larger rate can buy the ratio by harm: harm, help and
reach stand beside each.
"""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.plugin.outcomes import check_criterion

from .conftest import Outcome

pytestmark = pytest.mark.catalogue


@pytest.mark.parametrize("level", [Level.STRICT, Level.LENIENT, Level.CATASTROPHIC])
@pytest.mark.parametrize(
    "bet", ["bet60-rate-5e-4", "bet60-rate-5e-3", "bet60-rate-5e-2", "bet60-long"]
)
def test_criterion(outcome: Outcome, bet: str, level: Level) -> None:
    verdict, claim = outcome(bet)
    check_criterion(verdict, level, claim)
