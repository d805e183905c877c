"""The pytest fixtures: adapters, the comparison, the claim about it, and experiments."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

import pytest

from pytest_noisefloor.errors import NoisefloorError

from .session import GATE, SETTINGS, claimed, explained, judged, open_experiment

if TYPE_CHECKING:
    from pytest_noisefloor.bets import Verdict
    from pytest_noisefloor.claims import Claim
    from pytest_noisefloor.experiment import Experiment
    from pytest_noisefloor.runs import Adapter


@pytest.fixture(scope="session")
def noisefloor_study(request: pytest.FixtureRequest) -> Callable[..., Experiment]:
    """Open a bet on a base with the session's users and device: ``noisefloor_study(base, bet)``.

    ``bet`` defaults to the session's. ``base`` defaults to the bet's own, or else to the session's.
    Each pair is opened once per session. If you need more than this, build an ``Experiment``
    yourself.
    """
    from pytest_noisefloor.data import load_users
    from pytest_noisefloor.models import open_base

    opened, loaded = cache(open_base), cache(load_users)

    @cache
    def experiment(base: str | None = None, bet: str | None = None) -> Experiment:
        return explained(partial(open_experiment, request.config, opened, loaded, base, bet))

    return experiment


@pytest.fixture(scope="session")
def noise_floor(
    request: pytest.FixtureRequest, noisefloor_study: Callable[..., Experiment]
) -> Verdict:
    """The comparison: real against random adapters of all users, judged by the session's bet."""
    return judged(request.config, noisefloor_study())


@pytest.fixture(scope="session")
def noisefloor_claim(
    request: pytest.FixtureRequest, noisefloor_study: Callable[..., Experiment]
) -> Claim | None:
    """The claim about what ``noise_floor`` compares, or None if there is no such claim."""
    if not request.config.stash[GATE].file:
        return None  # known without opening anything
    return claimed(request.config, noisefloor_study())


@pytest.fixture
def real_adapter(noisefloor_study: Callable[..., Experiment], noisefloor_user: str) -> Adapter:
    """A user's adapter trained on that user's text. The test runs once for each user."""
    return explained(lambda: noisefloor_study().adapter(noisefloor_user, "real"))


@pytest.fixture
def random_adapter(noisefloor_study: Callable[..., Experiment], noisefloor_user: str) -> Adapter:
    """A user's adapter trained on uniformly random tokens. The test runs once for each user."""
    return explained(lambda: noisefloor_study().adapter(noisefloor_user, "random"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each user if it asks for a user's adapter."""
    if "noisefloor_user" in metafunc.fixturenames:
        from pytest_noisefloor.bets import open_bet
        from pytest_noisefloor.data import user_names

        try:
            settings = metafunc.config.stash[SETTINGS]
            bet = open_bet(settings.bet)
            names = user_names(settings.users, bet.users, bet.refused_names)
        except NoisefloorError as error:
            raise pytest.Collector.CollectError(str(error)) from None
        metafunc.parametrize("noisefloor_user", names, scope="session")
