"""Bet 49: norm gains, LoRA of rank 4 or full fine-tuning, at one rate and budget.

The result has the bytes and the seconds of each, for the Pareto front.
"""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.plugin.outcomes import check_criterion

from .conftest import Outcome

pytestmark = pytest.mark.catalogue


@pytest.mark.parametrize("level", [Level.STRICT, Level.LENIENT, Level.CATASTROPHIC])
def test_criterion(outcome: Outcome, level: Level) -> None:
    verdict, claim = outcome("bet49")
    check_criterion(verdict, level, claim)
