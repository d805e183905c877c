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
    """Two-sided p of a sum of blocks (n,) when each block's sign is a toss (Fisher 1935, §21).

    Conditional on the adapters. Exact up to 13 blocks, else from FLIPS tosses.
    """
    return _sign_flip(sums, lambda x, axis=-1: np.abs(x.sum(axis=axis))) if sums.any() else 1.0


def _sign_flip(values: Floats, statistic: Callable[..., Floats]) -> float:
    """P of so large a statistic of values (n,), two or more, when each one's sign is a toss."""
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
    """P of so different slices if all have one mean: Welch's analysis of variance over blocks.

    Welch 1951 (Biometrika 38:330), for slices (blocks,) of variances of their own. None for one
    slice, or where one has too few blocks to show what it varies by.
    """
    from scipy import stats

    if len(blocks) == 1 or any(len(of) == 1 or np.ptp(of) == 0 for of in blocks):
        return None
    return float(stats.f_oneway(*blocks, equal_var=False).pvalue)


def across_users(deltas: Sequence[float]) -> float:
    """One-sided p of users' Δ, averaged over seeds, when each user's sign is a toss.

    One-sided, since the hypotheses are: real beats random. Exact up to 13 users. Seeds and slices
    are no further users.
    """
    if len(deltas) == 1:  # which permutation_test refuses
        return 0.5 if deltas[0] > 0 else 1.0
    return _sign_flip(np.asarray(deltas, dtype=np.float64), lambda x, axis=-1: x.sum(axis=axis))


def users_needed(alpha: float = ALPHA) -> int:
    """The fewest users with whom ``across_users`` can fall below ``alpha``: 2 to the −n."""
    return math.floor(math.log2(1 / alpha)) + 1


def holm(ps: Sequence[float]) -> tuple[float, ...]:
    """Probabilities adjusted for their number (Holm 1979, Scand. J. Statistics 6:65)."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = largest
    return tuple(adjusted)


def tost(difference: Interval, margin: float) -> float:
    """The p of two one-sided tests that |difference| < margin (Schuirmann 1987, TOST)."""
    from scipy import stats

    distance = margin - abs(difference.estimate)
    if difference.se == 0:
        return 0.0 if distance > 0 else 1.0
    return float(stats.t.sf(distance / difference.se, difference.df))


def minimum_detectable_effect(difference: Interval) -> float:
    """The least |difference| found at 5 %, two-sided, with 80 % power, in nats per token.

    (t₀.₉₇₅ + t₀.₈) × standard error (Bloom 1995, Evaluation Review 19:547).
    """
    from scipy import stats

    quantiles = stats.t.ppf([(1 + CONFIDENCE) / 2, POWER], difference.df)
    return float(quantiles.sum()) * difference.se


@dataclass(frozen=True)
class SignTest:
    """Cells above and below 0, and the two-sided probability of so uneven a split by tosses.

    Cells share users, texts and adapters, so that fewer than these are independent, and ``p`` is
    too small by an unknown factor.
    """

    above: int
    below: int
    ties: int
    p: float


def sign_test(found: Sequence[Cell]) -> SignTest:
    """The exact two-sided binomial sign test over cells, without the ties."""
    from scipy import stats

    above, below = (sum(sign * c.delta > 0 for c in found) for sign in (1, -1))
    p = float(stats.binomtest(above, above + below).pvalue) if above + below else 1.0
    return SignTest(above, below, len(found) - above - below, p)


@dataclass(frozen=True)
class RankTest:
    """Kendall's τ of Δ with nearness over slices, and its two-sided p (1938, Biometrika 30).

    The p is exact where no two slices are equally near or have the same Δ; ties take part in no
    count of pairs, and with them p is that of the normal approximation.

    Slices of one user share adapters and training text, so that fewer than all are independent, and
    ``p`` is too small by an unknown factor. ``within`` and ``between`` count pairs of one user's
    slices and of two users': those whose nearer slice has the larger Δ, and all.
    """

    tau: float
    p: float
    exact: bool
    within: tuple[int, int]
    between: tuple[int, int]


def rank_test(slices: Sequence[SliceDivergence]) -> RankTest:
    """How far the order of slices by nearness is that of their Δ; the nearest stands first."""
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
