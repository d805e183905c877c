"""Bin sums of which intervals need no correction."""

import numpy as np
import pytest

from noisefloor_tests.support.bins_planted import differing
from pytest_noisefloor.stats import blocks
from pytest_noisefloor.stats.blocks import BIN_TOKENS


@pytest.fixture
def no_autocorrelation(monkeypatch):
    monkeypatch.setattr(blocks, "autocorrelation_time", lambda _: 1.0)


@pytest.fixture
def independent(no_autocorrelation):
    """Differences in 48 blocks of two bins, all of one size, which need no correction."""
    return differing(np.random.default_rng(5), rho=0.0, lengths=(3 * 32 * BIN_TOKENS,))
