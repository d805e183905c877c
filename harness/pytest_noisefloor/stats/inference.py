"""Intervals and tests, for each user and adjusted for the number of users."""

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
"""Autocorrelation times in a block of the sign-flip test.

Twice an interval's, since the test cannot correct for dependence between blocks.
"""


@dataclass(frozen=True, kw_only=True)
class UserInference:
    """The intervals and tests of one user's scores.

    ``delta``, ``harm`` and ``help`` are intervals of the logarithms of the three quotients.
    ``oracle`` and ``oracle_help`` are those of ratio and help with the oracle's adapter in place of
    the real one. All but ``delta`` are None if their own differences give too few independent
    blocks.

    ``p`` is the sign-flip p value of Δ = 0, conditional on the adapters. ``holm`` is ``p`` adjusted
    for the number of users. ``equivalence_p`` is the TOST p value; a small one shows that Δ is
    within the margin. ``mde`` is the smallest |Δ| that this design detects with 80 % power.

    ``slices_p`` and ``slices_help_p`` are the p values of the hypotheses that Δ and help are the
    same on all slices. They are None if a slice is too short, or if there is only one.

    ``aa_sd`` is the variation between trainings by chance alone: the standard deviation of the
    difference between two of the control arm's adapters that differ in the seed. It is None with
    one seed.
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
        """Standard error of Δ and its degrees of freedom, for simulating repetitions.

        This is Δ's own standard error, unless the control's seeds differ by more than Δ does
        between seeds. The spread of that A/A experiment then replaces the seed part of Δ's standard
        error.
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
        """Δ(real) / Δ(oracle), not clipped; None unless Δ(oracle) is resolved above 0."""
        if self.oracle is None or self.oracle.low <= 0:
            return None
        return self.delta.estimate / self.oracle.estimate


def infer(
    all_bins: Sequence[BinSums], contrast: Contrast, *, margin: float
) -> tuple[UserInference, ...]:
    """Compute intervals and tests for every user whose held-out text is long enough.

    Users whose text is too short for an interval of Δ are left out, but still count in Holm's
    adjustment.

    Args:
        all_bins: each user's scores.
        contrast: the arms to compare.
        margin: the largest |Δ| that counts as no effect, in nats.

    Raises:
        TooFewBlocks: every user's text is too short; the message is about the last user.
        StatisticsError: an arm was not scored, or two seeds or two arms have the same scores.
    """
    for bins in all_bins:  # check every user before computing anything
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
    # a user without a test still belongs to the family, with p = 1
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
    """Return the standard deviation of the difference between two of an arm's seeds.

    It is in nats per token.
    """
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
