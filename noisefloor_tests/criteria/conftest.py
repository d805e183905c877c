"""What every page of bets asks for: a bet's verdict, and what is claimed of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_noisefloor.bets.judging import Verdict
from pytest_noisefloor.claims.claim import Claim
from pytest_noisefloor.experiment import Experiment
from pytest_noisefloor.plugin.session import claimed, judged

Outcome = Callable[..., tuple[Verdict, Claim | None]]


@pytest.fixture(scope="session")
def outcome(request: pytest.FixtureRequest, noisefloor_study: Callable[..., Experiment]) -> Outcome:
    """A registered bet carried through, once a session: its verdict, and the claim about it."""

    def outcome(bet: str | None = None, base: str | None = None) -> tuple[Verdict, Claim | None]:
        experiment = noisefloor_study(base, bet)
        return judged(request.config, experiment), claimed(request.config, experiment)

    return outcome
