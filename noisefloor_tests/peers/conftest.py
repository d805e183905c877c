"""Numbers that several peers are given."""

from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support.bins_planted import differing
from pytest_noisefloor.stats.blocks import BIN_TOKENS


@pytest.fixture
def skewed():
    """Skewed differences of one slice in 6 groups of 8 bins."""
    rng = np.random.default_rng(9)
    one = differing(rng, rho=0.0, lengths=(48 * BIN_TOKENS,))
    tilted = one.sums["random"] + 60 * rng.exponential(1, size=48) ** 1.5
    return replace(one, sums=one.sums | {"random": tilted})
