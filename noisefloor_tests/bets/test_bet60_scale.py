"""Bet 60 on a larger base: SmolLM2-135M, 35,136 gains instead of 2,304.

The source leaves open whether the balance of personalisation and regularisation shifts with
scale. Same criteria, same users, same recipe; about an hour on two cores, once.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_noisefloor.bets import Level
from pytest_noisefloor.claims import Claim
from pytest_noisefloor.judge import Verdict
from pytest_noisefloor.plugin import claimed, judged
from pytest_noisefloor.review import settle
from pytest_noisefloor.study import Study

pytestmark = pytest.mark.scale


@pytest.fixture(scope="module")
def verdict(request: pytest.FixtureRequest, noisefloor_study: Callable[[str], Study]) -> Verdict:
    return judged(request.config, noisefloor_study("smollm2-135m"))


@pytest.fixture(scope="module")
def claim(request: pytest.FixtureRequest, noisefloor_study: Callable[[str], Study]) -> Claim | None:
    return claimed(request.config, noisefloor_study("smollm2-135m"))


@pytest.mark.parametrize("level", [Level.STRICT, Level.LENIENT, Level.CATASTROPHIC])
def test_criterion_at_scale(verdict: Verdict, level: Level, claim: Claim | None) -> None:
    settle(verdict, level, claim)
