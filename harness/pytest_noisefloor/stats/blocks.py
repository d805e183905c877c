"""Scores in little room: their sums over short runs of neighbouring tokens.

All that intervals and tests need, small enough to be committed beside the verdict.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_noisefloor._typing import Floats
from pytest_noisefloor.specs import UNTRAINED

from .contrast import StatisticsError


@dataclass(frozen=True)
class Scores:
    """What one adapter scored on one slice: nats of each token (n,), and which tokens they were."""

    nll: npt.NDArray[np.float32]
    tokens: str


BIN_TOKENS = 64
"""Tokens in a bin. Three users with three slices of 8,192 tokens make 1,152 bins: 12 KB an arm and
seed."""


@dataclass(frozen=True, eq=False)
class BinSums:
    """One user's scores, summed over bins of BIN_TOKENS consecutive tokens of a slice.

    ``tokens`` and ``slices`` (bins,) are each bin's tokens and the number of its slice, ``sums``
    (seeds, bins) the nats of each arm; untrained has one seed.

    Raises:
        StatisticsError: untrained missing, shapes that do not fit, or sums not finite.
    """

    user: str
    tokens: npt.NDArray[np.int64]
    slices: npt.NDArray[np.int64]
    sums: dict[str, npt.NDArray[np.float64]] = field(repr=False)

    def __post_init__(self) -> None:
        self.check_arms((UNTRAINED,))
        seeds = max(len(sums) for sums in self.sums.values())
        for arm, sums in self.sums.items():
            shape = (1 if arm == UNTRAINED else seeds, len(self.tokens))
            if sums.shape != shape or not seeds or not len(self.tokens):
                raise StatisticsError(
                    f"user {self.user!r}, arm {arm}: {sums.shape} sums (seeds, bins); "
                    f"expected {shape}, and not none"
                )
            if not np.isfinite(sums).all():
                raise StatisticsError(f"user {self.user!r}, arm {arm}: scores that are not finite")

    def check_arms(self, arms: Sequence[str]) -> None:
        """Refuse what was never scored.

        Raises:
            StatisticsError: an arm without scores.
        """
        missing = sorted(set(arms) - self.sums.keys())
        if missing:
            raise StatisticsError(f"user {self.user!r}: no scores of {', '.join(missing)}")

    def mean(self, arm: str) -> float:
        """Mean NLL of an arm in nats per token, over all slices' tokens and over seeds."""
        total = math.fsum(self.sums[arm].sum(axis=1)) / len(self.sums[arm])
        return total / int(self.tokens.sum())


def bin_sums(user: str, slices: Sequence[Mapping[str, Sequence[Scores]]]) -> BinSums:
    """Sum a user's scores, given for each slice by arm and seed, over bins.

    Raises:
        StatisticsError: other tokens under one arm than under another, or scores not finite.
    """
    for number, arms in enumerate(slices):
        found = {(s.tokens, s.nll.size) for of_arm in arms.values() for s in of_arm}
        if len(found) != 1:
            counts = ", ".join(f"{n} tokens ({name[:12]})" for name, n in sorted(found))
            raise StatisticsError(
                f"user {user!r}, slice number {number + 1}: {counts or 'no scores'} under its "
                "arms; expected the same tokens under each"
            )
    lengths = [next(iter(arms.values()))[0].nll.size for arms in slices]
    names = list(slices[0]) if slices else []
    return BinSums(
        user=user,
        tokens=bin_tokens(lengths),
        slices=bin_slices(lengths),
        sums={
            arm: np.array(
                [
                    np.concatenate([_sum_by_bin(arms[arm][seed].nll) for arms in slices])
                    for seed in range(len(slices[0][arm]))
                ]
            )
            for arm in names
        },
    )


def bin_tokens(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    """Tokens of each bin, for slices of these lengths; only the last of a slice may be short."""
    return np.array(
        [min(BIN_TOKENS, n - at) for n in lengths for at in range(0, n, BIN_TOKENS)], dtype=np.int64
    )


def bin_slices(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    """The number of the slice that each bin is of."""
    return np.repeat(np.arange(len(lengths)), [math.ceil(n / BIN_TOKENS) for n in lengths])


def _sum_by_bin(nll: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return np.add.reduceat(nll, np.arange(0, nll.size, BIN_TOKENS), dtype=np.float64)


def encode_sums(sums: npt.NDArray[np.float64]) -> list[str]:
    """Sums (seeds, bins) as JSON holds them, a text for each seed, to the last bit."""
    return [base64.b64encode(row.astype("<f8").tobytes()).decode() for row in sums]


def decode_sums(rows: Sequence[str]) -> npt.NDArray[np.float64]:
    """The sums (seeds, bins) that ``encode_sums`` encoded.

    Raises:
        StatisticsError: no such text, or rows of several lengths.
    """
    try:
        arrays = [np.frombuffer(base64.b64decode(row, validate=True), "<f8") for row in rows]
        return np.stack(arrays).astype(np.float64)
    except (TypeError, ValueError, binascii.Error) as error:
        raise StatisticsError(f"packed sums: {error}") from None


def bin_sums_from_record(user: str, slices: Sequence[Mapping[str, Any]]) -> BinSums:
    """A user's sums from the ``slices`` of its entry in a result file.

    Raises:
        StatisticsError: sums that cannot be.
    """
    lengths = [piece["tokens"] for piece in slices]
    if not slices or any(type(n) is not int or n < 1 for n in lengths):
        raise StatisticsError(f"user {user!r}: slices of {lengths} tokens; expected at least one")
    if any(piece["sums"].keys() != slices[0]["sums"].keys() for piece in slices):
        raise StatisticsError(f"user {user!r}: slices with different arms")
    return BinSums(
        user=user,
        tokens=bin_tokens(lengths),
        slices=bin_slices(lengths),
        sums={
            arm: np.concatenate([decode_sums(piece["sums"][arm]) for piece in slices], axis=1)
            for arm in slices[0]["sums"]
        },
    )


WINDOW = 5.0
"""Sokal's window: lags are summed up to this multiple of the autocorrelation time so far."""

TIMES = 2
"""Autocorrelation times in a block of an interval. Longer blocks depend less on each other and are
fewer; that blocks of this length still do is made up for by ``interval``."""


def autocorrelation_time(series: Sequence[Floats]) -> float:
    """Integrated autocorrelation time of several series (n,) with a common law, in their steps.

    τ = 1 + 2 Σ ρ(t), summed to the first lag W of at least WINDOW × τ (Sokal 1997, "Monte Carlo
    methods in statistical mechanics", section 3); at least 1. Each series has its own mean, and
    autocovariances are pooled. Deviations from a mean of n steps that was estimated are too small,
    and τ with them, by a factor of about 1 + (2W + 1)/n (Wolff 2004, Computer Physics
    Communications 156:143), which is given back.
    """
    centred = [x - x.mean() for x in series]
    total = sum(float(x @ x) for x in centred)
    if total == 0:
        return 1.0
    tau, lag, longest = 1.0, 0, max(map(len, centred))
    while lag < WINDOW * tau and lag + 1 < longest:
        lag += 1
        tau += 2 * sum(float(x[lag:] @ x[:-lag]) for x in centred if len(x) > lag) / total
    steps = sum(map(len, centred)) / len(centred)
    return max(1.0, tau * (1 + (2 * lag + 1) / steps))


def block_sums(
    bins: BinSums, minuend: str, subtrahend: str, *, times: float = TIMES
) -> tuple[Floats, Floats, float]:
    """Differences of two arms, summed over blocks, and the blocks' tokens: (blocks,) each.

    Differences are averaged over seeds. A block is at least ``times`` autocorrelation times of the
    bins long, and blocks of a slice differ by one bin at most; none crosses into another slice.
    The third value is that time, in bins.
    """
    by_slice, tau = _blocks(bins, minuend, subtrahend, times)
    sums, tokens = (np.concatenate(of) for of in zip(*by_slice, strict=True))
    return sums, tokens, tau


def slice_blocks(bins: BinSums, minuend: str, subtrahend: str, *, times: float) -> list[Floats]:
    """The same blocks' mean differences in nats per token, slice by slice: (blocks,) each."""
    return [sums / tokens for sums, tokens in _blocks(bins, minuend, subtrahend, times)[0]]


def _blocks(
    bins: BinSums, minuend: str, subtrahend: str, times: float
) -> tuple[list[tuple[Floats, Floats]], float]:
    """For each slice its blocks' sums and tokens, (blocks,) each, and the time in bins."""
    sums = (bins.sums[minuend] - bins.sums[subtrahend]).mean(axis=0)
    per_slice = [np.flatnonzero(bins.slices == k) for k in np.unique(bins.slices)]
    tau = autocorrelation_time([sums[own] / bins.tokens[own] for own in per_slice])
    length = math.ceil(times * tau)
    found = []
    for own in per_slice:
        blocks = np.array_split(own, max(1, len(own) // length))
        tokens = np.array([bins.tokens[block].sum() for block in blocks], dtype=np.float64)
        found.append((np.array([sums[block].sum() for block in blocks]), tokens))
    return found, tau
