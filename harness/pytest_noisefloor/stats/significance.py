"""Tests and their p values: sign flips, Welch, Holm, equivalence, detectable effects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pytest_noisefloor._typing import Floats

from .divergence import SliceDivergence
from .groups import CONFIDENCE, Interval
from .variance import Cell

ALPHA = 0.05

POWER = 0.8

FLIPS = 9999

SEED = 60
"""Seed of everything random here: the same effects give the same p value."""


def between_slices(blocks: Sequence[Floats]) -> float | None:
    """Test whether slices share one mean: the p value of Welch's analysis of variance over blocks.

    Each slice (blocks,) may have its own variance (Welch 1951, Biometrika 38:330). The result is
    None for one slice, or if a slice's blocks are too few or too equal to estimate its variance.
    """
    from scipy import stats

    if len(blocks) == 1 or any(len(of) == 1 or np.ptp(of) == 0 for of in blocks):
        return None
    return float(stats.f_oneway(*blocks, equal_var=False).pvalue)


def across_users(deltas: Sequence[float]) -> float:
    """Return the one-sided p value of the users' Δ under a random sign per user.

    Each Δ is a mean over seeds. The test is one-sided because the hypothesis is that real beats
    random. It is exact up to 13 users. Seeds and slices do not count as further users.
    """
    from scipy import stats

    if len(deltas) == 1:  # permutation_test refuses a single value
        return 0.5 if deltas[0] > 0 else 1.0
    return float(
        stats.permutation_test(
            (np.asarray(deltas, dtype=np.float64),),
            lambda x, axis=-1: x.sum(axis=axis),
            permutation_type="samples",
            alternative="greater",
            vectorized=True,
            n_resamples=FLIPS,
            rng=np.random.default_rng(SEED),
        ).pvalue
    )


def users_needed(alpha: float = ALPHA) -> int:
    """Return the fewest users for which ``across_users`` can fall below ``alpha``.

    Its smallest p value for n users is 2 to the −n.
    """
    return math.floor(math.log2(1 / alpha)) + 1


def holm(ps: Sequence[float]) -> tuple[float, ...]:
    """Adjust p values for their number (Holm 1979, Scand. J. Statistics 6:65)."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = largest
    return tuple(adjusted)


def tost(difference: Interval, margin: float) -> float:
    """Return the TOST p value for |difference| < margin (two one-sided tests, Schuirmann 1987)."""
    from scipy import stats

    distance = margin - abs(difference.estimate)
    if difference.se == 0:
        return 0.0 if distance > 0 else 1.0
    return float(stats.t.sf(distance / difference.se, difference.df))


def minimum_detectable_effect(difference: Interval) -> float:
    """Return the smallest |difference| detected at 5 %, two-sided, with 80 % power.

    It is (t₀.₉₇₅ + t₀.₈) × standard error, in nats per token (Bloom 1995, Evaluation Review
    19:547).
    """
    from scipy import stats

    quantiles = stats.t.ppf([(1 + CONFIDENCE) / 2, POWER], difference.df)
    return float(quantiles.sum()) * difference.se


@dataclass(frozen=True)
class SignCounts:
    """Counts of cells above and below 0, and of ties.

    Cells share users, texts and adapters, so the counts have no p value.
    """

    above: int
    below: int
    ties: int


def sign_counts(found: Sequence[Cell]) -> SignCounts:
    """Count the signs of cells."""
    above, below = (sum(sign * c.delta > 0 for c in found) for sign in (1, -1))
    return SignCounts(above, below, len(found) - above - below)


@dataclass(frozen=True)
class RankCorrelation:
    """Kendall's τ of Δ with nearness over slices (1938, Biometrika 30).

    ``within`` counts pairs of slices of the same user, and ``between`` pairs of different users.
    Each has two counts: pairs whose nearer slice has the larger Δ, and all pairs. Pairs that are
    tied in nearness or Δ are left out. Slices of one user share adapters and training text, so τ
    has no p value.
    """

    tau: float
    within: tuple[int, int]
    between: tuple[int, int]


def rank_correlation(slices: Sequence[SliceDivergence]) -> RankCorrelation:
    """Correlate Δ with nearness; ``slices`` must be sorted, the nearest first."""
    from scipy import stats

    nearness, deltas = [-one.divergence for one in slices], [one.delta for one in slices]
    agrees: dict[bool, list[bool]] = {True: [], False: []}
    for near, far in combinations(slices, 2):
        if near.divergence != far.divergence and near.delta != far.delta:
            agrees[near.user == far.user].append(near.delta > far.delta)
    within, between = ((sum(of), len(of)) for of in (agrees[True], agrees[False]))
    return RankCorrelation(float(stats.kendalltau(nearness, deltas).statistic), within, between)
