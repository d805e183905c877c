"""What a bet's levels do by chance: judge() itself, on users whose true ratio is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from pytest_noisefloor.stats import (
    CONFIDENCE,
    LARGEST_NLL,
    SEED,
    UNRESOLVED,
    BinSums,
    Effect,
    StatisticsError,
    TooFewBlocks,
    infer,
    slice_pairs,
)

from .bet import Bet, Level
from .judging import SimulatedRates, Verdict, judge, margin

TRIALS = 1000
"""Repetitions for each true ratio: a rate is then known to 3 points, one near 0 to 0.4."""

AGREEMENT = 1e-9
"""Nats per token by which two ways of summing the same scores may differ: 1e5 additions of
numbers near 300 in float64 err by less than 1e5 × 300 × 1.1e-16 = 3e-9 in total, before they are
divided by the number of tokens."""


def assess(
    bet: Bet,
    effects: Sequence[Effect],
    all_bins: Sequence[BinSums],
    *,
    planted: bool = False,
    divergences: Sequence[float] = (),
) -> Verdict:
    """The verdict with all that stands beside it: intervals, reach, error rates.

    Too little held-out text for an interval leaves that unit its point estimates alone, and nobody
    knows the error rates of all. Where a bet counts pairs of slices, the effects are the slices',
    each with its divergence from the training text.

    Raises:
        StatisticsError: means that are not those of the tallies, or scores nothing rests on.
    """
    for effect, bins in zip(effects, all_bins, strict=True):
        _check_means(effect, bins)
    if bet.contrast.by_pair:
        pairs = slice_pairs(effects, divergences)
        return judge(bet, pairs, planted=planted, unresolved=UNRESOLVED)
    try:
        resolved = infer(all_bins, bet.contrast, margin=margin(bet))
    except TooFewBlocks as reason:
        return judge(bet, effects, planted=planted, unresolved=str(reason))
    verdict = judge(bet, effects, planted=planted, resolved=resolved)
    if verdict.short:
        why = f"too few independent blocks: {'; '.join(verdict.short)}"
        return replace(verdict, unresolved=why)
    if bet.contrast.by_cell:
        return verdict  # cells share users and adapters: rates of independent ones say nothing
    return replace(verdict, error_rates=error_rates(bet, tuple(one.noise for one in resolved)))


def _check_means(effect: Effect, bins: BinSums) -> None:
    for arm in bins.sums:
        said, summed = effect.nll.get(arm), bins.mean(arm)
        if said is None or abs(said - summed) > AGREEMENT:
            raise StatisticsError(
                f"user {effect.user!r}: mean NLL({arm}) is given as {said}, but the scores' sums "
                f"give {summed}"
            )


@lru_cache(maxsize=64)
def error_rates(bet: Bet, noise: tuple[tuple[float, float], ...]) -> tuple[SimulatedRates, ...]:
    """How often each level comes out when every user's true ratio is 1, or at a level's bar.

    ``noise`` has each user's standard error of Δ in nats and its degrees of freedom; estimates are
    drawn around the truth as Student's t, since the noise itself was estimated. With one seed the
    errors lack the spread between trainings, and the rates are those of a design less noisy than it
    is.
    """
    ratios = sorted({1.0, *(c.threshold for c in bet.criteria if c.comparison == "at least")})
    return tuple(_simulate(bet, ratio, np.array(noise)) for ratio in ratios)


def _simulate(bet: Bet, ratio: float, noise: npt.NDArray[np.float64]) -> SimulatedRates:
    """One true ratio; ``noise`` is (users, 2)."""
    rng = np.random.default_rng(SEED)
    errors, freedoms = noise.T
    drawn = math.log(ratio) + errors * rng.standard_t(freedoms, (TRIALS, len(noise)))
    # a few degrees of freedom have tails that no perplexity has; the level is the same at the cap
    drawn = drawn.clip(-LARGEST_NLL, LARGEST_NLL)
    counts = dict.fromkeys(Level, 0)
    over, under = bet.contrast.numerator, bet.contrast.denominator
    for deltas in drawn.tolist():
        users = [
            Effect(user=str(i), nll={under: 0.0, over: delta}, contrast=bet.contrast)
            for i, delta in enumerate(deltas)
        ]
        counts[judge(bet, users).level] += 1
    return SimulatedRates(ratio, TRIALS, counts)


@cache
def rate_bounds(count: int, trials: int) -> tuple[float, float]:
    """95 % bounds of a simulated probability (Clopper & Pearson 1934, Biometrika 26:404)."""
    from scipy import stats

    found = stats.binomtest(count, trials).proportion_ci(CONFIDENCE, method="exact")
    return float(found.low), float(found.high)
