"""Bets 60 and 61 on a larger base: SmolLM2-135M, 35,136 gains instead of 2,304.

The source leaves open whether the balance of personalisation and regularisation shifts with
scale. Same criteria, same users, same recipe, and the same adapters for both.
"""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.plugin.outcomes import check_criterion

from .conftest import Outcome

pytestmark = pytest.mark.scale


@pytest.mark.parametrize("level", [Level.STRICT, Level.LENIENT, Level.CATASTROPHIC])
@pytest.mark.parametrize("bet", ["bet60", "bet61"])
def test_criterion_at_scale(outcome: Outcome, bet: str, level: Level) -> None:
    verdict, claim = outcome(bet, "smollm2-135m")
    check_criterion(verdict, level, claim)
