"""Numbers that several peers are given."""

from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support.bins_planted import differing
from pytest_noisefloor.stats.blocks import BIN_TOKENS


@pytest.fixture
def skewed():
    """Skewed differences in 20 blocks, the fewest there may be, where each refinement shows."""
    rng = np.random.default_rng(9)
    one = differing(rng, rho=0.0, lengths=(40 * BIN_TOKENS,))
    tilted = one.sums["random"] + 60 * rng.exponential(1, size=40) ** 1.5
    return replace(one, sums=one.sums | {"random": tilted})
