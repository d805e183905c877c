"""How sure a mean difference is: block bootstrap intervals from the scores of single tokens.

Differences are paired: the same token under two arms. Neighbouring tokens are no independent
evidence, so everything rests on blocks of them. Differences are in nats per token.
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
"""Fewer give no interval: a bootstrap of so few has heavy rounding in its tails."""

RESAMPLES = 4999

SEED = 60
"""Of the resampling: the same scores give the same interval, to the last digit."""


class TooFewBlocks(StatisticsError):  # noqa: N818 (what is missing, as SourceMissing says it)
    """Too little held-out text for an interval; a point estimate is all there is."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A 95 % interval of a mean difference, in nats per token.

    ``error`` is the standard error and ``freedom`` its degrees of freedom. With one seed the
    interval is conditional on these adapters and texts: another training is not in it. ``spread``
    is the part of the error that several seeds show, s/√S; 0 with one.
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
        """Estimate, lower and upper bound as quotients of perplexities."""
        return math.exp(self.estimate), math.exp(self.low), math.exp(self.high)


def block_bootstrap(bins: BinSums, minuend: str, subtrahend: str) -> Interval:
    """The 95 % interval of NLL(minuend) − NLL(subtrahend), pooled over slices by tokens.

    Blocks are resampled with their tokens (BCa: Efron 1987, JASA 82:171), at a level widened for
    their number as Hesterberg (2015, The American Statistician 69:371, section 4.3) widens the
    percentile interval. Means of neighbouring blocks of L bins vary together still: their variance
    falls short by Σ|t|ρ(t)/(Lτ), which for ρ(t) = φ^|t| is (τ² − 1)/(2τL), and error and
    half-widths are divided by the root of what is left of 1 (Künsch 1989, Annals of Statistics
    17:1217, has the bias). With S > 1 seeds the spread of their means is added, s²/S with Student's
    t of S − 1 degrees of freedom, each half-width squared (MOVER: Zou & Donner 2008, Statistics
    in Medicine 27:1693); ``freedom`` is Welch and Satterthwaite's.

    Raises:
        TooFewBlocks: fewer than LEAST_BLOCKS blocks.
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
    # of a ratio of sums, linearised; the tokens of blocks hardly differ
    error = math.sqrt(n / (n - 1) * float(residual @ residual)) / float(tokens.sum())
    low, high = _bootstrap(sums, tokens) if error > 0 else (mean, mean)
    # a slice that is shorter than a block is one block
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
    """Degrees of freedom of a sum of variances, of standard errors with degrees of freedom.

    Welch 1947 (Biometrika 34:28), Satterthwaite 1946; the largest where no part varies.
    """
    # products: they scale by a power of two without rounding, which a library's power need not
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
