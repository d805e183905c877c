"""Noise that intervals are tried on: differences of bins, drawn, with a known mean.

Each noise is a function of a generator and the shape (sets, slices, bins). It returns differences
in that shape, and the true mean of each set.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from noisefloor_tests.support import evidence_noise
from noisefloor_tests.support.evidence_noise import WARMED, autoregressive
from pytest_noisefloor.stats.blocks import BIN_TOKENS, BinSums

SHAPE = (3, 128)
"""As registered: three slices of 8,192 tokens."""


@dataclass(frozen=True)
class Noise:
    """Noise of Δ, and of help if that has its own.

    ``counts`` says whether an interval is to cover 93 to 97 %: on independent, autoregressive and
    fitted noise up to an autocorrelation time of 6 bins.
    """

    delta: Callable
    help: Callable | None = None
    counts: bool = True


def ar(rng, shape, *, coefficient, innovations):
    drawn = innovations(rng, (*shape[:-1], shape[-1] + WARMED))
    return autoregressive(drawn, coefficient), 0.0


def normal(rng, shape):
    return rng.normal(size=shape)


def student_3(rng, shape):
    return rng.standard_t(3, shape)


def outliers(rng, shape, *, share):
    """Normal, with a share of bins 10 standard deviations above it; the mean is 0."""
    return rng.normal(size=shape) + 10 * ((rng.random(shape) < share) - share)


def of_time(bins, **more):
    """AR(1) of this autocorrelation time."""
    return partial(ar, coefficient=(bins - 1) / (bins + 1), innovations=normal, **more)


def regimes(rng, shape):
    """Stretches of 32 bins on average, N(0, 1) and N(1, 3²) in turn."""
    calm = (np.cumsum(rng.random(shape) < 1 / 32, -1) + rng.integers(0, 2, (*shape[:-1], 1))) % 2
    return np.where(calm, rng.normal(size=shape), 1 + 3 * rng.normal(size=shape)), 0.5


def long_memory(rng, shape, *, d=0.3, lags=4096):
    """ARFIMA(0, d, 0), its moving average cut at so many lags."""
    steps = np.arange(1, lags)
    weights = np.cumprod(np.concatenate([[1], (steps - 1 + d) / steps]))
    length = 2 * (lags + shape[-1])
    filtered = np.fft.rfft(weights, length)
    found = np.empty(shape)
    for at in range(0, len(found), 200):  # in parts, for the memory
        part = found[at : at + 200]
        innovations = rng.normal(size=(*part.shape[:-1], lags + shape[-1]))
        whole = np.fft.irfft(np.fft.rfft(innovations, length) * filtered, length)
        part[:] = whole[..., lags : lags + shape[-1]]
    return found, 0.0


def drift(rng, shape):
    return rng.normal(size=shape) + np.linspace(-1, 1, shape[-1]), 0.0


def differing_slices(rng, shape):
    """Slices with means of their own; the truth is the mean of these slices."""
    means = 0.3 * rng.normal(size=(*shape[:-1], 1))
    return rng.normal(size=shape) + means, means.mean(axis=(1, 2))


def centred(of, rng, shape, **more):
    return of(rng, shape, **more), 0.0


def of_evidence(user):
    return Noise(
        partial(centred, evidence_noise.drawn, user=user, what="Δ"),
        partial(centred, evidence_noise.drawn, user=user, what="help"),
    )


NOISES = {
    "independent normal": Noise(partial(centred, normal)),
    "AR(1) 0.6 with t3": Noise(partial(ar, coefficient=0.6, innovations=student_3)),
    "AR(1) of time 3": Noise(of_time(3)),
    "AR(1) of time 6": Noise(of_time(6)),
    "AR(1) of time 12": Noise(of_time(12), counts=False),
    "AR 0.4 with 1 % outliers": Noise(
        partial(ar, coefficient=0.4, innovations=partial(outliers, share=0.01))
    ),
    **{f"fitted to {user}": of_evidence(user) for user in evidence_noise.USERS},
    "two regimes": Noise(regimes, counts=False),
    "0.7 % one-sided outliers": Noise(partial(centred, outliers, share=0.007), counts=False),
    "long memory, d = 0.3": Noise(long_memory, counts=False),
    "drift within a slice": Noise(drift, counts=False),
    "slices that differ": Noise(differing_slices, counts=False),
}


def units(rng, noise, sets):
    """Yield units with noise in Δ and in help, each with its true (Δ, help, harm).

    Harm is the difference of the two.
    """
    shape = (sets, *SHAPE)
    (delta, true), (helped, true_help) = (
        noise.delta(rng, shape),
        (noise.help or noise.delta)(rng, shape),
    )
    true, true_help = np.broadcast_to(true, sets), np.broadcast_to(true_help, sets)
    for at in range(sets):
        one = unit(real=-helped[at], random=delta[at] - helped[at])
        yield one, (true[at], true_help[at], true[at] - true_help[at])


def unit(**arms):
    """A unit of slices of whole bins, from each arm's difference to the base in nats per token."""
    slices, bins = next(iter(arms.values())).shape
    one = BinSums(
        user="ann",
        tokens=np.full(slices * bins, BIN_TOKENS),
        slices=np.repeat(np.arange(slices), bins),
        sums={"untrained": np.zeros((1, slices * bins))},
    )
    sums = {arm: BIN_TOKENS * of.reshape(1, -1) for arm, of in arms.items()}
    return replace(one, sums=one.sums | sums)
