"""Bet 61: every adapter on every user. Personalisation predicts that the diagonal wins."""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.plugin.outcomes import check_criterion

from .conftest import Outcome

pytestmark = pytest.mark.full


@pytest.mark.parametrize("level", [Level.STRICT, Level.LENIENT, Level.CATASTROPHIC])
def test_criterion(outcome: Outcome, level: Level) -> None:
    verdict, claim = outcome("bet61")
    check_criterion(verdict, level, claim)
