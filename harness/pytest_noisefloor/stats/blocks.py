"""Compact scores: sums of per-token scores over bins of 64 consecutive tokens.

Intervals and tests need nothing else. The sums are small enough to be committed with the verdict.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pytest_noisefloor._typing import Floats
from pytest_noisefloor.specs import UNTRAINED

from .contrast import StatisticsError
from .effect import LARGEST_NLL


@dataclass(frozen=True)
class Scores:
    """One adapter's scores on one slice.

    ``nll`` (n,) is the negative log-likelihood of each token in nats. ``tokens`` identifies the
    tokens that were scored.
    """

    nll: npt.NDArray[np.float32]
    tokens: str


BIN_TOKENS = 64
"""Tokens in a bin.

Three users with three slices of 8,192 tokens have 1,152 bins, which take 12 KB per arm and seed.
"""


@dataclass(frozen=True, eq=False)
class BinSums:
    """One user's scores, summed over bins of BIN_TOKENS consecutive tokens of a slice.

    ``tokens`` (bins,) is the number of tokens in each bin, and ``slices`` (bins,) the number of the
    bin's slice. ``sums`` has each arm's sums in nats (seeds, bins). The untrained arm has one seed.

    ``user`` names the unit. Where the unit is less than a user, ``owner`` names the user, and
    ``part`` says which of the user's texts was scored.

    Raises:
        StatisticsError: the untrained arm is missing, an array is empty or of the wrong shape, or a
            sum is not finite.
    """

    user: str
    tokens: npt.NDArray[np.int64]
    slices: npt.NDArray[np.int64]
    sums: dict[str, npt.NDArray[np.float64]] = field(repr=False)
    owner: str = ""
    part: str = ""

    @property
    def family(self) -> tuple[str, str]:
        """What all units of one user on the same text share: the user and the text."""
        return self.owner or self.user, self.part

    def __post_init__(self) -> None:
        self.check_arms((UNTRAINED,))
        seeds = max(len(sums) for sums in self.sums.values())
        for arm, sums in self.sums.items():
            shape = (1 if arm == UNTRAINED else seeds, len(self.tokens))
            if sums.shape != shape or not seeds or not len(self.tokens):
                raise StatisticsError(
                    f"user {self.user!r}, arm {arm}: {sums.shape} sums (seeds, bins); "
                    f"expected {shape}, at least one each"
                )
            if not np.isfinite(sums).all():
                raise StatisticsError(f"user {self.user!r}, arm {arm}: scores that are not finite")

    def check_arms(self, arms: Sequence[str]) -> None:
        """Refuse arms that were never scored.

        Raises:
            StatisticsError: an arm has no scores.
        """
        missing = sorted(set(arms) - self.sums.keys())
        if missing:
            raise StatisticsError(f"user {self.user!r}: no scores of {', '.join(missing)}")

    def mean(self, arm: str) -> float:
        """Return an arm's mean NLL in nats per token, over all tokens and seeds."""
        total = math.fsum(self.sums[arm].sum(axis=1)) / len(self.sums[arm])
        return total / int(self.tokens.sum())


def bin_sums(user: str, slices: Sequence[Mapping[str, Sequence[Scores]]]) -> BinSums:
    """Sum one user's scores over bins.

    Args:
        user: the user's name.
        slices: for each slice, each arm's scores, one per seed.

    Raises:
        StatisticsError: two arms scored different tokens, or a score is not finite.
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
    """Return the number of tokens in each bin, for slices of these lengths.

    Only the last bin of a slice may have fewer than BIN_TOKENS.
    """
    return np.array(
        [min(BIN_TOKENS, n - at) for n in lengths for at in range(0, n, BIN_TOKENS)], dtype=np.int64
    )


def bin_slices(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return the number of the slice that each bin belongs to."""
    return np.repeat(np.arange(len(lengths)), [math.ceil(n / BIN_TOKENS) for n in lengths])


def _sum_by_bin(nll: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return np.add.reduceat(nll, np.arange(0, nll.size, BIN_TOKENS), dtype=np.float64)


def encode_sums(sums: npt.NDArray[np.float64]) -> list[str]:
    """Encode sums (seeds, bins) for JSON without loss, as one base64 text per seed."""
    return [base64.b64encode(row.astype("<f8").tobytes()).decode() for row in sums]


def decode_sums(rows: Sequence[str]) -> npt.NDArray[np.float64]:
    """Decode the sums (seeds, bins) that ``encode_sums`` encoded.

    Raises:
        StatisticsError: a row is not base64 of float64 values, or the rows differ in length.
    """
    try:
        arrays = [np.frombuffer(base64.b64decode(row, validate=True), "<f8") for row in rows]
        return np.stack(arrays).astype(np.float64)
    except (TypeError, ValueError, binascii.Error) as error:
        raise StatisticsError(f"packed sums: {error}") from None


def bin_sums_from_record(
    user: str, lengths: Sequence[int], sums: Sequence[Mapping[str, Sequence[str]]]
) -> BinSums:
    """Rebuild a user's sums from what a result file says of each slice.

    Args:
        user: the user's name.
        lengths: the tokens of each slice, at least 1.
        sums: for each slice, each arm's encoded sums, one text per seed.

    Raises:
        StatisticsError: the sums are invalid or too many, or the slices have different arms.
    """
    if not lengths:
        raise StatisticsError(f"user {user!r}: no slices; expected at least one")
    if any(of_slice.keys() != sums[0].keys() for of_slice in sums):
        raise StatisticsError(f"user {user!r}: slices with different arms")
    decoded = {
        arm: [
            _decoded(f"user {user!r}, arm {arm}", of_slice[arm], length)
            for length, of_slice in zip(lengths, sums, strict=True)
        ]
        for arm in sums[0]
    }
    if any(len({len(rows) for rows in of_arm}) > 1 for of_arm in decoded.values()):
        raise StatisticsError(f"user {user!r}: slices with different numbers of seeds")
    return BinSums(
        user=user,
        tokens=bin_tokens(lengths),
        slices=bin_slices(lengths),
        sums={arm: np.concatenate(of_arm, axis=1) for arm, of_arm in decoded.items()},
    )


def _decoded(what: str, rows: Sequence[str], length: int) -> npt.NDArray[np.float64]:
    """Decode the sums (seeds, bins) of a slice, and refuse what no scores give.

    Raises:
        StatisticsError: the number of bins is not that of so many tokens, or a sum is not finite or
            larger than any mean NLL allows.
    """
    sums = decode_sums(rows)
    bins = math.ceil(length / BIN_TOKENS)
    if sums.shape[1] != bins:
        raise StatisticsError(f"{what}: {sums.shape[1]} sums; expected {bins} of {length} tokens")
    if not (np.abs(sums) <= LARGEST_NLL * BIN_TOKENS).all():
        raise StatisticsError(f"{what}: a sum beyond {LARGEST_NLL:g} nats per token")
    return sums


WINDOW = 5.0
"""Sokal's window: lags are summed up to this multiple of the autocorrelation time so far."""


def autocorrelation_time(series: Sequence[Floats]) -> float:
    """Estimate the integrated autocorrelation time τ of several series (n,) in steps, at least 1.

    The series are assumed to follow one law. Each is centred on its own mean, and their
    autocovariances are pooled. τ = 1 + 2 Σ ρ(t), summed to the first lag W of at least WINDOW × τ
    (Sokal 1997, "Monte Carlo methods in statistical mechanics", section 3).

    Deviations from an estimated mean of n steps are too small. This makes τ too small by a factor
    of about 1 + (2W + 1)/n (Wolff 2004, Computer Physics Communications 156:143), and the result is
    multiplied by that factor.
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


def differences(bins: BinSums, minuend: str, subtrahend: str) -> Floats:
    """Return the differences (seeds, bins) of two arms' sums, in nats."""
    found: Floats = bins.sums[minuend] - bins.sums[subtrahend]
    return found


def slice_blocks(bins: BinSums, minuend: str, subtrahend: str, *, times: float) -> list[Floats]:
    """Return the mean differences (blocks,) of each slice's blocks, in nats per token.

    Differences are averaged over seeds. A block is at least ``times`` autocorrelation times long,
    unless its slice is shorter. Blocks of one slice differ in length by one bin at most. No block
    crosses into another slice.
    """
    sums = differences(bins, minuend, subtrahend).mean(axis=0)
    per_slice = [np.flatnonzero(bins.slices == k) for k in np.unique(bins.slices)]
    time = autocorrelation_time([sums[own] / bins.tokens[own] for own in per_slice])
    length = math.ceil(times * time)
    return [
        np.array(
            [
                sums[block].sum() / bins.tokens[block].sum()
                for block in np.array_split(own, max(1, len(own) // length))
            ]
        )
        for own in per_slice
    ]
