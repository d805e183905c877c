"""Scores of which the truth is known, summed over bins: drawn, never trained."""

from dataclasses import replace

import numpy as np
from scipy.signal import lfilter

from pytest_noisefloor.bets.error_rates import rate_bounds
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.stats.blocks import BIN_TOKENS, BinSums, bin_slices, bin_tokens, slice_blocks
from pytest_noisefloor.stats.inference import BLOCK_TIMES
from pytest_noisefloor.stats.significance import between_slices

CONTRAST = registered_bet("bet60").contrast
SLICES = (8192, 8192, 8192)  # as registered


def autocorrelated(rng, length, rho):
    """AR(1) noise (length,) with heavy tails, as differences of scores have them; its mean is 0."""
    return lfilter([1], [1, -rho], rng.standard_t(4, size=length + 500))[500:]


def differing(rng, *, rho=0.9, true=0.0, lengths=SLICES, seeds=1, spread=0.0, user="ann"):
    """Bin sums whose Δ has a known true value, its seeds a known spread."""
    noise = [autocorrelated(rng, n, rho) for n in lengths]
    bins = np.concatenate([np.add.reduceat(x, np.arange(0, len(x), BIN_TOKENS)) for x in noise])
    tokens = bin_tokens(lengths)
    # distinct, or one replicate
    shifts = rng.normal(0, spread, (seeds, 1)) + 1e-9 * np.arange(seeds)[:, None]
    zero = np.zeros((1, len(bins)))
    return BinSums(
        user=user,
        tokens=tokens,
        slices=bin_slices(lengths),
        sums={
            "untrained": zero - 1,  # by a nat a bin, or untrained and real would be one
            "real": np.repeat(zero, seeds, 0) + np.arange(seeds)[:, None],
            "random": bins + (true + shifts) * tokens + np.arange(seeds)[:, None],
        },
    )


def replace_seeds(one, seeds):
    """The same of the first seeds alone."""
    sums = {arm: s[:seeds] for arm, s in one.sums.items()}
    return replace(one, sums=sums)


def told(what, count, trials):
    """Print a measured share with its Clopper–Pearson bounds, and give the bounds."""
    low, high = rate_bounds(count, trials)
    print(f"{what}: {count} of {trials}, {count / trials:.1%} [{low:.1%}, {high:.1%}]")
    return low, high


def slices_p(one):
    return between_slices(slice_blocks(one, "random", "real", times=BLOCK_TIMES))
