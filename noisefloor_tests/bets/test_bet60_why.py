"""Why random tokens won in the source: do they make the base better, whatever the text?"""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets import Level
from pytest_noisefloor.review import settle

from .conftest import Outcome

pytestmark = pytest.mark.catalogue


@pytest.mark.parametrize("level", [Level.STRICT, Level.LENIENT, Level.CATASTROPHIC])
def test_criterion(outcome: Outcome, level: Level) -> None:
    verdict, claim = outcome("bet60-why-harm")
    settle(verdict, level, claim)
