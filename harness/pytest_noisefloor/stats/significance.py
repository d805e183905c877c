"""Tests and their p values: sign flips, Welch, Holm, equivalence, detectable effects, ranks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pytest_noisefloor._typing import Floats

from .bootstrap import CONFIDENCE, SEED, Interval
from .divergence import SliceDivergence
from .variance import Cell

ALPHA = 0.05

POWER = 0.8

FLIPS = 9999


def sign_flip(sums: Floats) -> float:
    """Return the two-sided p value of a sum of blocks (n,) under random signs (Fisher 1935, §21).

    It is conditional on the adapters. It is exact up to 13 blocks, and uses FLIPS random draws
    above that.
    """
    return _sign_flip(sums, lambda x, axis=-1: np.abs(x.sum(axis=axis))) if sums.any() else 1.0


def _sign_flip(values: Floats, statistic: Callable[..., Floats]) -> float:
    """Return P(statistic ≥ observed) for values (n,), two or more, under random signs."""
    from scipy import stats

    return float(
        stats.permutation_test(
            (values,),
            statistic,
            permutation_type="samples",
            alternative="greater",
            vectorized=True,
            n_resamples=FLIPS,
            rng=np.random.default_rng(SEED),
        ).pvalue
    )


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
    if len(deltas) == 1:  # permutation_test refuses a single value
        return 0.5 if deltas[0] > 0 else 1.0
    return _sign_flip(np.asarray(deltas, dtype=np.float64), lambda x, axis=-1: x.sum(axis=axis))


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
class SignTest:
    """Counts of cells above and below 0, and the two-sided binomial p value of the split.

    Cells share users, texts and adapters. Fewer are independent than are counted, so ``p`` is too
    small by an unknown factor.
    """

    above: int
    below: int
    ties: int
    p: float


def sign_test(found: Sequence[Cell]) -> SignTest:
    """Run the exact two-sided binomial sign test over cells, leaving out ties."""
    from scipy import stats

    above, below = (sum(sign * c.delta > 0 for c in found) for sign in (1, -1))
    p = float(stats.binomtest(above, above + below).pvalue) if above + below else 1.0
    return SignTest(above, below, len(found) - above - below, p)


@dataclass(frozen=True)
class RankTest:
    """Kendall's τ of Δ with nearness over slices, and its two-sided p value (1938, Biometrika 30).

    ``p`` is exact if no two slices are equally near or have the same Δ. With ties it is that of the
    normal approximation, and tied pairs are left out of ``within`` and ``between``.

    Slices of one user share adapters and training text. Fewer are independent than are counted, so
    ``p`` is too small by an unknown factor.

    ``within`` counts pairs of slices of the same user, and ``between`` pairs of different users.
    Each has two counts: pairs whose nearer slice has the larger Δ, and all pairs.
    """

    tau: float
    p: float
    exact: bool
    within: tuple[int, int]
    between: tuple[int, int]


def rank_test(slices: Sequence[SliceDivergence]) -> RankTest:
    """Test whether nearer slices have larger Δ; ``slices`` must be sorted, the nearest first."""
    from scipy import stats

    nearness, deltas = [-one.divergence for one in slices], [one.delta for one in slices]
    exact = len({*nearness}) == len({*deltas}) == len(slices)
    found = stats.kendalltau(nearness, deltas, method="exact" if exact else "asymptotic")
    agrees: dict[bool, list[bool]] = {True: [], False: []}
    for near, far in combinations(slices, 2):
        if near.divergence != far.divergence and near.delta != far.delta:
            agrees[near.user == far.user].append(near.delta > far.delta)
    within, between = ((sum(of), len(of)) for of in (agrees[True], agrees[False]))
    return RankTest(float(found.statistic), float(found.pvalue), exact, within, between)
