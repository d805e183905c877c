"""What pytest calls first: add the options, and register the plugins that check claims."""

from __future__ import annotations

from functools import partial

import pytest

from . import claim_items, marker, options
from .session import GATE, REPORTS, SETTINGS, renew_evidence

OLDEST = 9
"""The oldest version of pytest that collects a claims file beside the project's own tests."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add a command-line option and an ini option for each setting."""
    options.add_options(parser)
    claim_items.add_claim_options(parser)
    marker.add_patterns(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, so that a bad value stops the session before anything runs.

    Raises:
        pytest.UsageError: a setting is wrong, or pytest is too old.
    """
    if int(pytest.version_tuple[0]) < OLDEST:
        raise pytest.UsageError(
            f"pytest {pytest.__version__}: expected {OLDEST}.0 or later, since an older one "
            "would collect the claims file alone"
        )
    config.stash[SETTINGS] = options.read_settings(config)
    config.stash[REPORTS] = {}
    claims = claim_items.Gate(config, renew=partial(renew_evidence, config))
    config.stash[GATE] = claims
    rule = marker.Methodology(config, claims)
    for name, plugin in {"noisefloor-gate": claims, "noisefloor-methodology": rule}.items():
        if config.pluginmanager.register(plugin, name) is None:
            raise pytest.UsageError(f"-p no:{name}: claims and their controls have no switch")
