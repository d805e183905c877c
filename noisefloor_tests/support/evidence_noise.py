"""Noise like that of the committed evidence: fitted to the differences of bins, and drawn again.

A series of differences in bins of 64 tokens is fitted by an autoregression of three steps, and the
fit's own residuals, drawn with replacement, drive the simulation (Bühlmann 1997, "Sieve bootstrap
for time series", Bernoulli 3:123). Heavy tails and autocorrelation are thus those that were found.
"""

from functools import cache

import numpy as np
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.results.files import read_file
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.rejudging import bin_sums_of

STEPS = 3
WARMED = 200
"""Bins that are drawn and dropped, until nothing is left of how a series began."""

DIFFERENCES = {"Δ": ("random", "real"), "help": ("untrained", "real")}
BASES = {"": "bet60_reference.json", " on SmolLM2-135M": "bet60_smollm2-135m.json"}
USERS = ("programmer", "novelist", "scientist", "programmer on SmolLM2-135M")


@cache
def rows(file):
    return {row.user: row for row in lift(read_file(resource_path("evidence", file))).users}


@cache
def fitted(user, what):
    """Coefficients (STEPS,) and residuals (n,), by Yule and Walker's equations.

    Autocovariances are pooled over slices.
    """
    name, _, base = user.partition(" on ")
    bins = bin_sums_of(rows(BASES[f" on {base}" if base else ""])[name])
    over, under = DIFFERENCES[what]
    found = (bins.sums[over] - bins.sums[under])[0] / bins.tokens
    series = [x - x.mean() for x in (found[bins.slices == k] for k in np.unique(bins.slices))]
    lags = [sum(float(x[lag:] @ x[: len(x) - lag]) for x in series) for lag in range(STEPS + 1)]
    coefficients = solve_toeplitz(lags[:-1], lags[1:])
    residuals = np.concatenate([lfilter([1, *-coefficients], [1], x)[STEPS:] for x in series])
    return coefficients, residuals - residuals.mean()


def drawn(rng, shape, *, user, what):
    """Differences of bins of a user (*shape), whose true mean is 0."""
    coefficients, residuals = fitted(user, what)
    *slices, bins = shape
    return autoregressive(rng.choice(residuals, (*slices, bins + WARMED)), coefficients)


def autoregressive(innovations, coefficients):
    """An autoregression (*shape, bins) of innovations (*shape, bins + WARMED)."""
    return lfilter([1], [1, *-np.atleast_1d(coefficients)], innovations, axis=-1)[..., WARMED:]
