"""Bet 60 on a larger base: SmolLM2-135M, 35,136 gains instead of 2,304.

The source leaves open whether the balance of personalisation and regularisation shifts with
scale. Same criteria, same users, same recipe; about an hour on two cores, once.
"""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets import Level
from pytest_noisefloor.review import settle

from .conftest import Outcome

pytestmark = pytest.mark.scale


@pytest.mark.parametrize("level", [Level.STRICT, Level.LENIENT, Level.CATASTROPHIC])
def test_criterion_at_scale(outcome: Outcome, level: Level) -> None:
    verdict, claim = outcome(None, "smollm2-135m")
    settle(verdict, level, claim)
