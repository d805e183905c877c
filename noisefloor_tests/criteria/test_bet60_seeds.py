"""Bet 46's design on Bet 60: is an inversion stable over seeds and slices?

Counted are cells: 5 seeds × 3 slices × 3 users.
"""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.plugin.outcomes import check_criterion

from .conftest import Outcome

pytestmark = pytest.mark.catalogue


@pytest.mark.parametrize("level", [Level.STRICT, Level.LENIENT, Level.CATASTROPHIC])
def test_criterion(outcome: Outcome, level: Level) -> None:
    verdict, claim = outcome("bet60-seeds")
    check_criterion(verdict, level, claim)
