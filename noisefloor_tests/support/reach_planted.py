"""Reach with known truth, for tests: a gradient's norm by hand, and scores drawn around a gain."""

import numpy as np

from pytest_noisefloor.bets.reach import STEP, unit_reach
from pytest_noisefloor.stats.blocks import BIN_TOKENS, BinSums

BINS = 128


def reached(user="a", *, ceiling=0.1, gain=0.05, moved=0.005, noise=0.0, bins=BINS):
    """A unit whose best step gained ``gain`` nats per token, with this ceiling or none.

    Without noise the interval of the floor is the gain itself.
    """
    drawn = noise * np.random.default_rng(60).standard_normal((1, bins))
    base = np.full((1, bins), 4.0 * BIN_TOKENS)
    return unit_reach(
        moved=moved,
        norm=None if ceiling is None else ceiling / moved,
        step=moved / 2,
        bins=BinSums(
            user=user,
            tokens=np.full(bins, BIN_TOKENS),
            slices=np.repeat([0, 1], [bins - bins // 2, bins // 2]),
            sums={"untrained": base, STEP: base - (gain + drawn) * BIN_TOKENS},
        ),
    )
