"""Intervals and tests for each unit, with the spread of trainings where it is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pytest_noisefloor.specs import UNTRAINED

from .blocks import BinSums, slice_blocks
from .contrast import Contrast, StatisticsError
from .groups import Interval, TooLittleText, group_interval
from .significance import between_slices, minimum_detectable_effect, tost
from .spread import Spread

BLOCK_TIMES = 4
"""Autocorrelation times in a block of Welch's test between slices."""


@dataclass(frozen=True, kw_only=True)
class UserInference:
    """The intervals and tests of one unit's scores.

    ``delta``, ``harm`` and ``help`` are intervals of the logarithms of the three quotients.
    ``oracle`` and ``oracle_help`` are those of ratio and help with the oracle's adapter in place of
    the real one. All but ``delta`` are None if their own differences are correlated over too many
    tokens.

    ``equivalence_p`` is the TOST p value; a small one shows that Δ is within the margin. ``mde`` is
    the smallest |Δ| that this design detects with 80 % power.

    ``slices_p`` and ``slices_help_p`` are the p values of the hypotheses that Δ and help are the
    same on all slices. They are None if a slice is too short, or if there is only one.

    ``spreads`` has what is known of the spread of each arm. ``aa`` is the variation between
    trainings by chance alone: for each compared arm, the standard deviation of the difference
    between two of its adapters that differ in the seed. It lacks arms of which nothing is known.
    """

    user: str
    delta: Interval
    harm: Interval | None
    help: Interval | None
    oracle: Interval | None
    oracle_help: Interval | None
    equivalence_p: float
    mde: float
    slices_p: float | None
    slices_help_p: float | None
    spreads: Mapping[str, Spread]
    aa: Mapping[str, float]

    @property
    def noise(self) -> tuple[float, float]:
        """Standard error of Δ and its degrees of freedom, for simulating repetitions."""
        return self.delta.se, self.delta.df

    @property
    def fraction_of_oracle(self) -> float | None:
        """Δ(real) / Δ(oracle), not clipped; None unless Δ(oracle) is resolved above 0."""
        if self.oracle is None or self.oracle.low <= 0:
            return None
        return self.delta.estimate / self.oracle.estimate


def infer(
    all_bins: Sequence[BinSums],
    contrast: Contrast,
    *,
    margin: float,
    spreads: Sequence[Mapping[str, Spread]],
) -> tuple[UserInference, ...]:
    """Compute intervals and tests for every unit whose held-out text is long enough.

    Args:
        all_bins: each unit's scores.
        contrast: the arms to compare.
        margin: the largest |Δ| that counts as no effect, in nats.
        spreads: for each unit, what is known of its arms, as ``spreads_of`` returns it.

    Raises:
        TooLittleText: every unit's text is too short; the message is about the last unit.
        StatisticsError: an arm was not scored, or two seeds or two arms have the same scores.
    """
    for bins in all_bins:  # check every unit before computing anything
        bins.check_arms(contrast.compared)
        check_replicates(bins)
    found: list[UserInference] = []
    short: TooLittleText | None = None
    for bins, known in zip(all_bins, spreads, strict=True):
        try:
            found.append(_infer_unit(bins, contrast, margin, known))
        except TooLittleText as reason:
            short = reason
    if short and not found:
        raise short
    return tuple(found)


def _infer_unit(
    bins: BinSums, contrast: Contrast, margin: float, spreads: Mapping[str, Spread]
) -> UserInference:
    over, under, best = contrast.numerator, contrast.denominator, contrast.reach
    delta = group_interval(bins, over, under, spreads)

    def interval(minuend: str, subtrahend: str) -> Interval | None:
        if minuend == subtrahend or not {minuend, subtrahend} <= bins.sums.keys():
            return None
        try:
            return group_interval(bins, minuend, subtrahend, spreads)
        except TooLittleText:
            return None

    return UserInference(
        user=bins.user,
        delta=delta,
        harm=interval(over, UNTRAINED),
        help=interval(UNTRAINED, under),
        oracle=interval(over, best),
        oracle_help=interval(UNTRAINED, best),
        equivalence_p=tost(delta, margin),
        mde=minimum_detectable_effect(delta),
        slices_p=between_slices(slice_blocks(bins, over, under, times=BLOCK_TIMES)),
        slices_help_p=between_slices(slice_blocks(bins, UNTRAINED, under, times=BLOCK_TIMES)),
        spreads=spreads,
        aa={
            arm: math.sqrt(2) * sd
            for arm in contrast.compared
            if (sd := _spread(bins, arm, spreads)) is not None
        },
    )


def _spread(bins: BinSums, arm: str, spreads: Mapping[str, Spread]) -> float | None:
    """Return an arm's standard deviation between trainings: what is known, or that of two seeds."""
    if arm in spreads:
        return spreads[arm].sd
    means = bins.sums[arm].sum(axis=1) / bins.tokens.sum()
    return float(means.std(ddof=1)) if len(means) > 1 else None


def check_replicates(bins: BinSums) -> None:
    """Refuse two seeds of an arm, or two arms, that have the same scores.

    Raises:
        StatisticsError: two have the same scores; the message names them.
    """
    for one, other in combinations(bins.sums, 2):
        if np.array_equal(bins.sums[one], bins.sums[other]):
            raise StatisticsError(
                f"user {bins.user!r}: {one} and {other} gave the same scores on every run of "
                "tokens; scores that do not depend on the adapter are no comparison"
            )
    for arm, sums in bins.sums.items():
        for a, b in combinations(range(len(sums)), 2):
            if np.array_equal(sums[a], sums[b]):
                raise StatisticsError(
                    f"user {bins.user!r}, arm {arm}: seeds number {a + 1} and {b + 1} gave the "
                    "same scores; a seed that changes nothing is no replicate, so give it once"
                )
