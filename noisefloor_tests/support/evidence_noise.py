"""Scores with the noise of the committed evidence, whose true ratio is known."""

import math
from functools import cache

import numpy as np
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.results.files import read_file
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.rejudging import bin_sums_of
from pytest_noisefloor.stats.blocks import BIN_TOKENS, Scores, bin_sums

USERS = ("programmer", "novelist", "scientist")
SLICES, TOKENS = 3, 8192  # as registered
STEPS = 3


@cache
def noise():
    """For each of USERS, coefficients (STEPS,) and residuals (n,) in nats per token."""
    file = lift(read_file(resource_path("evidence", "bet60_reference.json")))
    rows = {row.user: row for row in file.users}
    return [fit(rows[user]) for user in USERS]


def fit(row):
    """Yule and Walker's equations on the autocovariances of the bins, pooled over slices."""
    real = bin_sums_of(row)
    delta = (real.sums["random"] - real.sums["real"])[0] / real.tokens
    series = [delta[real.slices == k] - delta[real.slices == k].mean() for k in range(SLICES)]
    lags = [sum(float(x[lag:] @ x[: len(x) - lag]) for x in series) for lag in range(STEPS + 1)]
    coefficients = solve_toeplitz(lags[:-1], lags[1:])
    left = [lfilter([1, *-coefficients], [1], x)[STEPS:] for x in series]
    residuals = np.concatenate(left)
    return coefficients, residuals - residuals.mean()


def simulated(rng, user, ratio):
    """Bin sums of per-token scores whose true ratio is known."""
    coefficients, residuals = noise()[user]
    slices = []
    for _ in range(SLICES):
        drawn = rng.choice(residuals, TOKENS // BIN_TOKENS + 50)
        bins = lfilter([1], [1, *-coefficients], drawn)[50:]
        text = rng.gamma(2, 2, TOKENS)
        scores = {"untrained": text + 0.01, "real": text}
        scores["random"] = text + math.log(ratio) + np.repeat(bins, BIN_TOKENS)
        slices.append({arm: [Scores(nll.astype("f4"), "same")] for arm, nll in scores.items()})
    return bin_sums(USERS[user], slices)
