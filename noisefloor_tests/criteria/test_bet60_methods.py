"""Bet 60's question of other methods: LoRA of rank 4, full fine-tuning, one scalar.

Of full fine-tuning also on all held-out text, against fresh random tokens and a finite random text.
"""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.plugin.outcomes import check_criterion

from .conftest import Outcome

pytestmark = pytest.mark.catalogue


@pytest.mark.parametrize("level", [Level.STRICT, Level.LENIENT, Level.CATASTROPHIC])
@pytest.mark.parametrize(
    "bet",
    [
        "bet60-lora-r4",
        "bet60-full",
        "bet60-full-all",
        "bet60-full-all-text",
        "bet60-temperature",
    ],
)
def test_criterion(outcome: Outcome, bet: str, level: Level) -> None:
    verdict, claim = outcome(bet)
    check_criterion(verdict, level, claim)
