"""Block bootstrap intervals of the mean difference between two arms, in nats per token.

Differences are paired: each token is scored under both arms. Neighbouring tokens are not
independent, so the resampling works on blocks of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pytest_noisefloor._typing import Floats

from .blocks import TIMES, BinSums, block_sums
from .contrast import StatisticsError

CONFIDENCE = 0.95

LEAST_BLOCKS = 20
"""Fewest blocks that give an interval; with fewer, the bootstrap's tails are too coarse."""

RESAMPLES = 4999

SEED = 60
"""Seed of the resampling: the same scores give the same interval, to the last digit."""


class TooFewBlocks(StatisticsError):  # noqa: N818 (the name says what is wrong)
    """The held-out text is too short for an interval and gives only a point estimate."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A 95 % interval of a mean difference, in nats per token.

    ``se`` is the standard error and ``df`` its degrees of freedom. With one seed the interval is
    conditional on these adapters and texts, and leaves out the variation between trainings.
    ``seed_se`` is the part of the standard error due to seeds, s/√S; it is 0 with one seed.
    """

    estimate: float
    low: float
    high: float
    se: float
    df: float
    blocks: int
    seeds: int
    seed_se: float

    @property
    def ratios(self) -> tuple[float, float, float]:
        """The estimate, lower bound and upper bound, as quotients of perplexities."""
        return math.exp(self.estimate), math.exp(self.low), math.exp(self.high)


def block_bootstrap(bins: BinSums, minuend: str, subtrahend: str) -> Interval:
    """Return the 95 % interval of NLL(minuend) − NLL(subtrahend), pooled over slices by tokens.

    Blocks are resampled together with their token counts, and the bounds are BCa (Efron 1987, JASA
    82:171). The confidence level is widened for the number of blocks, as Hesterberg (2015, The
    American Statistician 69:371, section 4.3) widens the percentile interval.

    Neighbouring blocks of L bins are still correlated, so the variance estimated from them is too
    small. The missing fraction is Σ|t|ρ(t)/(Lτ) (bias: Künsch 1989, Annals of Statistics 17:1217).
    For ρ(t) = φ^|t| it is b = (τ² − 1)/(2τL). The standard error and the half-widths are divided by
    √(1 − b).

    With S > 1 seeds, the variance of the mean over seeds, s²/S, is added. Its half-width is that of
    Student's t with S − 1 degrees of freedom, and half-widths are added in squares (MOVER: Zou &
    Donner 2008, Statistics in Medicine 27:1693). ``df`` is then Welch and Satterthwaite's.

    Raises:
        TooFewBlocks: there are fewer than LEAST_BLOCKS blocks.
    """
    from scipy import stats

    sums, tokens, tau = block_sums(bins, minuend, subtrahend)
    n = len(sums)
    if n < LEAST_BLOCKS:
        raise TooFewBlocks(
            f"user {bins.user!r}: {tokens.sum():.0f} held-out tokens make {n} blocks of "
            f"neighbours that depend on each other; an interval needs {LEAST_BLOCKS}"
        )
    mean = float(sums.sum() / tokens.sum())
    residual = sums - mean * tokens
    # linearised standard error of a ratio of sums; blocks hardly differ in tokens
    error = math.sqrt(n / (n - 1) * float(residual @ residual)) / float(tokens.sum())
    low, high = _bootstrap(sums, tokens) if error > 0 else (mean, mean)
    # the mean length may fall below TIMES × τ, since a slice shorter than a block is one block
    length = max(len(bins.tokens) / n, TIMES * tau)
    wider = 1 / math.sqrt(1 - (tau**2 - 1) / (2 * tau * length))
    low, high = mean - wider * (mean - low), mean + wider * (high - mean)
    error *= wider
    freedom, spread = float(n - 1), 0.0

    by_seed = (bins.sums[minuend] - bins.sums[subtrahend]).sum(axis=1) / bins.tokens.sum()
    seeds = len(by_seed)
    if seeds > 1:
        spread = float(by_seed.std(ddof=1)) / math.sqrt(seeds)
        half = spread * float(stats.t.ppf((1 + CONFIDENCE) / 2, seeds - 1))
        low, high = mean - math.hypot(mean - low, half), mean + math.hypot(high - mean, half)
        freedom = satterthwaite((error, n - 1), (spread, seeds - 1))
        error = math.hypot(error, spread)
    return Interval(
        estimate=mean,
        low=low,
        high=high,
        se=error,
        df=freedom,
        blocks=n,
        seeds=seeds,
        seed_se=spread,
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


def _bootstrap(sums: Floats, tokens: Floats) -> tuple[float, float]:
    from scipy import stats

    def mean(sums: Floats, tokens: Floats, axis: int = -1) -> Floats:
        quotient: Floats = sums.sum(axis=axis) / tokens.sum(axis=axis)
        return quotient

    n = len(sums)
    widened = stats.norm.cdf(math.sqrt(n / (n - 1)) * stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))
    bounds = stats.bootstrap(
        (sums, tokens),
        mean,
        paired=True,
        vectorized=True,
        confidence_level=2 * float(widened) - 1,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(bounds.low), float(bounds.high)
