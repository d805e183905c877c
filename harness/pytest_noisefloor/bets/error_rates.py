"""Error rates of a bet's levels, from judge() on simulated users whose true ratio is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
    Spread,
    StatisticsError,
    TooLittleText,
    infer,
    slice_pairs,
    spreads_of,
)

from .bet import Bet, Level
from .judging import SimulatedRates, Verdict, judge
from .licensing import MARGIN
from .reach import UnitReach

TRIALS = 1000
"""Repetitions for each true ratio.

They give a rate to within 3 percentage points, or 0.4 if the rate is near 0.
"""

AGREEMENT = 1e-9
"""Largest difference, in nats per token, between two ways of summing the same scores.

It is far above the rounding error of float64, and far below any digit that is printed.
"""


def assess(
    bet: Bet,
    effects: Sequence[Effect],
    all_bins: Sequence[BinSums],
    *,
    planted: bool = False,
    divergences: Sequence[float] = (),
    filed: Sequence[Mapping[str, Spread]] = (),
    reachable: Sequence[UnitReach] = (),
) -> Verdict:
    """Return the verdict with its intervals, reach and error rates.

    A unit with too little held-out text for an interval has point estimates only, and the verdict
    then has no error rates. If a bet counts pairs of slices, ``effects`` are those of the slices,
    and ``divergences`` are their divergences from the training text. ``filed`` has, for each unit,
    what a file says of the spread of its arms between trainings. ``reachable`` says how far each
    unit's NLL could have fallen, if that was measured.

    Raises:
        StatisticsError: an effect's means are not those of its bin sums, or the scores cannot be
            compared.
    """
    for effect, bins in zip(effects, all_bins, strict=True):
        _check_means(effect, bins)
    if bet.contrast.by_pair:
        pairs = slice_pairs(effects, divergences)
        return judge(bet, pairs, planted=planted, unresolved=UNRESOLVED)
    try:
        resolved = infer(
            all_bins,
            bet.contrast,
            margin=MARGIN,
            spreads=spreads_of(all_bins, bet.contrast, filed),
        )
    except TooLittleText as reason:
        return judge(bet, effects, planted=planted, reachable=reachable, unresolved=str(reason))
    verdict = judge(bet, effects, planted=planted, resolved=resolved, reachable=reachable)
    if verdict.short:
        why = f"too little held-out text: {'; '.join(verdict.short)}"
        return replace(verdict, unresolved=why)
    if bet.contrast.by_cell:
        return verdict  # cells share users and adapters, so rates for independent cells mislead
    return replace(
        verdict,
        error_rates=error_rates(bet, tuple((one.delta.se, one.delta.df) for one in resolved)),
    )


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
    """Simulate how often each level comes out if every user's true ratio is 1 or at a threshold.

    The thresholds are those of levels with a minimum ratio. ``noise`` has each user's standard
    error of Δ in nats and its degrees of freedom. Estimates are drawn around the truth from
    Student's t, because the standard error was itself estimated. Where the spread of trainings is
    not known, the standard errors
    leave out the variation between trainings, so the rates are those of a design less noisy than
    the real one.
    """
    ratios = sorted({1.0, *(c.threshold for c in bet.criteria if c.comparison == "at least")})
    return tuple(_simulate(bet, ratio, np.array(noise)) for ratio in ratios)


def _simulate(bet: Bet, ratio: float, noise: npt.NDArray[np.float64]) -> SimulatedRates:
    """Simulate one true ratio; ``noise`` is (users, 2)."""
    rng = np.random.default_rng(SEED)
    errors, freedoms = noise.T
    drawn = math.log(ratio) + errors * rng.standard_t(freedoms, (TRIALS, len(noise)))
    # with few degrees of freedom, t exceeds any perplexity; the cap leaves the level the same
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
    """Return 95 % bounds of a simulated probability (Clopper & Pearson 1934, Biometrika 26:404)."""
    from scipy import stats

    found = stats.binomtest(count, trials).proportion_ci(CONFIDENCE, method="exact")
    return float(found.low), float(found.high)
