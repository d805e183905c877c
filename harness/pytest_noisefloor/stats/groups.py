"""Intervals of the mean difference between two arms, in nats per token, by Student's t.

Differences are paired: each token is scored under both arms. Neighbouring tokens are not
independent, so a unit's bins are cut into a few long groups of consecutive bins. The interval knows
nothing of the noise but how these groups differ. Where it is known how much an arm varies between
trainings, that is added.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pytest_noisefloor._typing import Floats
from pytest_noisefloor.specs import UNTRAINED

from .blocks import BIN_TOKENS, BinSums, autocorrelation_time, differences
from .contrast import StatisticsError
from .spread import Spread

CONFIDENCE = 0.95

GROUPS = 12
"""Groups of a unit with three slices. Chosen by measured coverage before anything was judged."""

GROUPS_A_SLICE = 4
"""Most groups of a slice, unless a unit would then have fewer than LEAST_GROUPS."""

LEAST_GROUPS = 6

GROUP_TIMES = 2.5
"""Autocorrelation times in the shortest group. Shorter groups depend too much on each other."""


class TooLittleText(StatisticsError):  # noqa: N818 (the name says what is wrong)
    """The held-out text is too short for an interval and gives only a point estimate."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A 95 % interval of a mean difference, in nats per token.

    ``se`` is the standard error and ``df`` its degrees of freedom. ``of_trainings`` says whether
    the variation between trainings is in them, for every arm of the difference that trains; the
    interval is otherwise conditional on these adapters. ``spread_se`` is the part of the standard
    error due to trainings; it is 0 where that is not known. The interval is always conditional on
    these texts.
    """

    estimate: float
    low: float
    high: float
    se: float
    df: float
    groups: int
    seeds: int
    spread_se: float
    of_trainings: bool

    @property
    def ratios(self) -> tuple[float, float, float]:
        """The estimate, lower bound and upper bound, as quotients of perplexities."""
        return math.exp(self.estimate), math.exp(self.low), math.exp(self.high)

    @property
    def p(self) -> float:
        """The two-sided p value of no difference. It is below 5 % where the interval excludes 0."""
        from scipy.special import stdtr

        if self.se == 0:
            return 0.0 if self.estimate else 1.0
        return 2 * float(stdtr(self.df, -abs(self.estimate) / self.se))


def group_interval(
    bins: BinSums, minuend: str, subtrahend: str, spreads: Mapping[str, Spread]
) -> Interval:
    """Return the 95 % interval of NLL(minuend) − NLL(subtrahend), pooled over slices by tokens.

    With the sums x and the tokens n of G groups, the estimate is m = Σx / Σn and the variance from
    tokens is G/(G − 1) Σ(x − mn)² / (Σn)². Student's t with G − 1 degrees of freedom holds where
    groups are nearly independent, and is conservative where their variances differ (Ibragimov &
    Müller 2010, Journal of Business & Economic Statistics 28:453).

    With several seeds the sums are means over seeds. For each trained arm with spread σ between
    trainings and S seeds, σ²/S is added to the variance, and ``df`` is Welch and Satterthwaite's.
    If the spread of one such arm is unknown, no arm's is added.

    Args:
        bins: the unit's scores.
        minuend: the arm whose NLL counts positively.
        subtrahend: the arm whose NLL is subtracted.
        spreads: what is known of the unit's arms.

    Raises:
        TooLittleText: a slice has fewer bins than groups, or a group is shorter than GROUP_TIMES
            autocorrelation times.
    """
    from scipy import stats

    sums, tokens = _group_sums(bins, minuend, subtrahend)
    groups, seeds = len(sums), len(differences(bins, minuend, subtrahend))
    mean = float(sums.sum() / tokens.sum())
    residual = sums - mean * tokens
    error = math.sqrt(groups / (groups - 1) * float(residual @ residual)) / float(tokens.sum())
    trained = [arm for arm in (minuend, subtrahend) if arm != UNTRAINED]
    of_trainings = all(arm in spreads for arm in trained)
    known = [spreads[arm] for arm in trained] if of_trainings else []
    between = [(spread.sd / math.sqrt(seeds), spread.df) for spread in known]
    whole = math.hypot(error, *(part for part, _ in between))
    freedom = satterthwaite((error, groups - 1), *between)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * whole
    return Interval(
        estimate=mean,
        low=mean - half,
        high=mean + half,
        se=whole,
        df=freedom,
        groups=groups,
        seeds=seeds,
        spread_se=math.hypot(*(part for part, _ in between)),
        of_trainings=of_trainings,
    )


def groups_a_slice(slices: int) -> int:
    """Return the number of groups in each slice of a unit with so many slices."""
    return max(math.ceil(LEAST_GROUPS / slices), min(GROUPS_A_SLICE, GROUPS // slices))


def _group_sums(bins: BinSums, minuend: str, subtrahend: str) -> tuple[Floats, Floats]:
    """Sum the differences of two arms, averaged over seeds, over groups of consecutive bins.

    Groups of one slice differ in length by one bin at most.

    Returns:
        The groups' sums and their tokens, (groups,) each.

    Raises:
        TooLittleText: the groups are too short.
    """
    sums = differences(bins, minuend, subtrahend).mean(axis=0)
    slices = [np.flatnonzero(bins.slices == k) for k in np.unique(bins.slices)]
    time = autocorrelation_time([sums[own] / bins.tokens[own] for own in slices])
    number = groups_a_slice(len(slices))
    shortest = min(len(own) // number for own in slices)
    if shortest < GROUP_TIMES * time:
        raise TooLittleText(
            f"user {bins.user!r}: {bins.tokens.sum()} held-out tokens in {len(slices) * number} "
            f"groups, the shortest of {shortest * BIN_TOKENS} tokens; the difference of {minuend} "
            f"and {subtrahend} is correlated over {time * BIN_TOKENS:.0f} tokens, and an interval "
            f"needs {GROUP_TIMES:g} times as many in each group"
        )
    groups = [group for own in slices for group in np.array_split(own, number)]
    return (
        np.array([sums[group].sum() for group in groups]),
        np.array([bins.tokens[group].sum() for group in groups], dtype=np.float64),
    )


def satterthwaite(*parts: tuple[float, float]) -> float:
    """Return the degrees of freedom of a sum of variances.

    Welch 1947 (Biometrika 34:28), Satterthwaite 1946. If every part is 0, the result is the largest
    degrees of freedom.

    Args:
        *parts: pairs of a standard error and its degrees of freedom.
    """
    # multiply: scaling by a power of two is then exact, which a library's power need not be
    variances = [(error * error, freedom) for error, freedom in parts]
    total = sum(variance for variance, _ in variances)
    if total == 0:
        return float(max(freedom for _, freedom in parts))
    return total * total / sum(variance * variance / freedom for variance, freedom in variances)
