"""What pytest calls first: add the options, and register the plugins that check claims."""

from __future__ import annotations

from functools import partial

import pytest

from . import claim_items, marker, options
from .session import GATE, REPORTS, SETTINGS, renew_evidence


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add a command-line option and an ini option for each setting."""
    options.add_options(parser)
    claim_items.add_claim_options(parser)
    marker.add_patterns(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, so that a bad value stops the session before anything runs."""
    config.stash[SETTINGS] = options.read_settings(config)
    config.stash[REPORTS] = {}
    claims = claim_items.Gate(config, renew=partial(renew_evidence, config))
    config.stash[GATE] = claims
    rule = marker.Methodology(config, claims)
    for name, plugin in {"noisefloor-gate": claims, "noisefloor-methodology": rule}.items():
        if config.pluginmanager.register(plugin, name) is None:
            raise pytest.UsageError(f"-p no:{name}: claims and their controls have no switch")
