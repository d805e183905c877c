"""What one user's scores, and all users together, show beyond point estimates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from pytest_noisefloor.specs import UNTRAINED

from .blocks import BinSums, block_sums, slice_blocks
from .bootstrap import Interval, TooFewBlocks, block_bootstrap, satterthwaite
from .contrast import Contrast, StatisticsError
from .significance import between_slices, holm, minimum_detectable_effect, sign_flip, tost

FLIP_TIMES = 4
"""Autocorrelation times in a block whose sign is tossed: twice an interval's, since tosses cannot
make up for blocks that depend on each other."""


@dataclass(frozen=True, kw_only=True)
class UserInference:
    """What one user's scores say beyond the point estimates.

    ``delta``, ``harm`` and ``help`` are logarithms of the three quotients; ``oracle`` and
    ``oracle_help`` those of ratio and help with the oracle's adapter in place of the real one.
    All but ``delta`` are None where their own differences leave too few independent blocks.
    ``p`` is the sign-flip probability of so large a |Δ| without a difference, conditional on the
    adapters, ``holm`` the same for this many users; ``absent`` the TOST probability that Δ is not
    within the margin; ``detectable`` the least |Δ| that such a design finds with 80 % power.
    ``slices`` and ``slices_help`` are the probabilities of slices that differ so in Δ and in help
    if these were the same on all; None where a slice is too short to tell. ``a_a`` is what
    chance alone does between trainings, from the control arm's seeds: the standard deviation of the
    difference of two adapters that differ in the seed; None with one seed.
    """

    user: str
    delta: Interval
    harm: Interval | None
    help: Interval | None
    oracle: Interval | None
    oracle_help: Interval | None
    p: float
    holm: float
    equivalence_p: float
    mde: float
    slices_p: float | None
    slices_help_p: float | None
    aa_sd: float | None

    @property
    def noise(self) -> tuple[float, float]:
        """Standard error of Δ, and its degrees of freedom, to simulate repetitions with.

        That of Δ itself, or, where the control's seeds differ by more among each other than Δ does
        between seeds, with the spread of this A/A experiment in place of Δ's own.
        """
        whole = self.delta
        if self.aa_sd is None:
            return whole.se, whole.df
        tokens = math.sqrt(max(0.0, whole.se**2 - whole.seed_se**2))
        spread = max(whole.seed_se, self.aa_sd / math.sqrt(whole.seeds))
        freedom = satterthwaite((tokens, whole.blocks - 1), (spread, whole.seeds - 1))
        return math.hypot(tokens, spread), freedom

    @property
    def fraction_of_oracle(self) -> float | None:
        """Δ(real) / Δ(oracle), unclipped; None where Δ(oracle) is not resolved above 0."""
        if self.oracle is None or self.oracle.low <= 0:
            return None
        return self.delta.estimate / self.oracle.estimate


def infer(
    all_bins: Sequence[BinSums], contrast: Contrast, *, margin: float
) -> tuple[UserInference, ...]:
    """Intervals and tests for every user; ``margin`` bounds what counts as no effect, in nats.

    Only for those, that is, whose held-out text is long enough for an interval of Δ.

    Raises:
        TooFewBlocks: nobody's is; what the last one lacks.
        StatisticsError: an arm that was not scored, or two seeds that are one replicate.
    """
    for bins in all_bins:  # all, before the first that is too short ends it
        bins.check_arms(contrast.compared)
        check_replicates(bins)
    single: list[UserInference] = []
    short: TooFewBlocks | None = None
    for bins in all_bins:
        try:
            single.append(_infer_user(bins, contrast, margin))
        except TooFewBlocks as reason:
            short = reason
    if short and not single:
        raise short
    # a test that could not be made counts as one of the family
    untested = [1.0] * (len(all_bins) - len(single))
    adjusted = holm([*(one.p for one in single), *untested])
    return tuple(replace(one, holm=p) for one, p in zip(single, adjusted, strict=False))


def _infer_user(bins: BinSums, contrast: Contrast, margin: float) -> UserInference:
    over, under, best = contrast.numerator, contrast.denominator, contrast.reach
    delta = block_bootstrap(bins, over, under)
    p = sign_flip(block_sums(bins, over, under, times=FLIP_TIMES)[0])
    has_oracle = best in bins.sums
    return UserInference(
        user=bins.user,
        delta=delta,
        harm=_interval_if_any(bins, over, UNTRAINED),
        help=_interval_if_any(bins, UNTRAINED, under),
        oracle=_interval_if_any(bins, over, best) if has_oracle else None,
        oracle_help=_interval_if_any(bins, UNTRAINED, best) if has_oracle else None,
        p=p,
        holm=p,
        equivalence_p=tost(delta, margin),
        mde=minimum_detectable_effect(delta),
        slices_p=between_slices(slice_blocks(bins, over, under, times=FLIP_TIMES)),
        slices_help_p=between_slices(slice_blocks(bins, UNTRAINED, under, times=FLIP_TIMES)),
        aa_sd=_between_seeds(bins, over),
    )


def _between_seeds(bins: BinSums, arm: str) -> float | None:
    """Standard deviation (nats per token) of the difference of two of an arm's adapters."""
    means = bins.sums[arm].sum(axis=1) / bins.tokens.sum()
    return math.sqrt(2) * float(means.std(ddof=1)) if len(means) > 1 else None


def _interval_if_any(bins: BinSums, minuend: str, subtrahend: str) -> Interval | None:
    if minuend == subtrahend:
        return None
    try:
        return block_bootstrap(bins, minuend, subtrahend)
    except TooFewBlocks:
        return None


def check_replicates(bins: BinSums) -> None:
    """Refuse two seeds of an arm with the same scores, or two arms: they are one, not two.

    Raises:
        StatisticsError: which seeds of which arm, or which arms.
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
