"""What seeds and slices do to Δ, where a bet counts less than users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .catalogue import Found
from .results import of_file

MISSING = "·"


@dataclass(frozen=True)
class Cell:
    """Δ in nats per token of one user's slice under one seed, and its standard error if it has."""

    user: str
    seed: int
    slice: str
    delta: float
    error: float | None = None


def cells(found: Found) -> tuple[Cell, ...]:
    """The cells of a result by cell.

    Raises:
        ResultError: a cell without its seed or slice.
    """
    errors = {one.user: one.delta.error for one in found.verdict.resolved}
    with of_file(found.path):
        return tuple(
            Cell(
                row["user"],
                row["seed"],
                row["slices"][0]["slice"],
                effect.delta,
                errors.get(effect.user),
            )
            for row, effect in zip(found.content["users"], found.verdict.effects, strict=True)
        )


def signs(found: Sequence[Cell]) -> dict[tuple[str, str], str]:
    """By user and slice the sign of Δ under each seed, as ``+++-+``.

    0 is a tie; a dot is a cell that repeats another and counts once.
    """
    seeds = sorted({cell.seed for cell in found})
    by_cell = {
        (c.user, c.slice, c.seed): "+" if c.delta > 0 else "-" if c.delta else "0" for c in found
    }
    return {
        (user, piece): "".join(by_cell.get((user, piece, seed), MISSING) for seed in seeds)
        for user, piece in dict.fromkeys((c.user, c.slice) for c in found)
    }


@dataclass(frozen=True)
class SignTest:
    """Cells above and below 0, and the two-sided probability of so uneven a split by tosses.

    Cells share users, texts and adapters, so that fewer than these are independent, and ``p`` is
    too small by an unknown factor.
    """

    above: int
    below: int
    ties: int
    p: float


def sign_test(found: Sequence[Cell]) -> SignTest:
    """The exact two-sided binomial sign test over cells, without the ties."""
    from scipy import stats

    above, below = (sum(sign * c.delta > 0 for c in found) for sign in (1, -1))
    p = float(stats.binomtest(above, above + below).pvalue) if above + below else 1.0
    return SignTest(above, below, len(found) - above - below, p)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the variance of Δ: its estimate (nats² per token²) and what that rests on.

    The estimate may be below 0, by chance, where the part is small.
    """

    name: str
    variance: float
    mean_square: float
    freedom: int


def parts(found: Sequence[Cell]) -> tuple[Part, ...]:
    """The variance of Δ between users, slices and seeds, and what is left.

    Slices and seeds lie within a user and cross there: each of b slices has each of n seeds' Δ
    once. With a users the expected mean squares are

        user      σ² + n σ²(slice) + b σ²(seed) + bn σ²(user)     a − 1
        slice     σ² + n σ²(slice)                                a (b − 1)
        seed      σ² + b σ²(seed)                                 a (n − 1)
        left      σ², with the interaction of slice and seed      a (b − 1)(n − 1)

    by the rules of Cornfield & Tukey (1956, Annals of Mathematical Statistics 27:907), and each
    variance is solved from them (Searle, Casella & McCulloch 1992, Variance Components, chapter 4).
    One user has no variance between users.

    Raises:
        ValueError: cells that are missing, or fewer than two slices or seeds.
    """
    delta = _balanced(found)
    a, b, n = delta.shape
    by_user = delta.mean(axis=(1, 2), keepdims=True)
    by_slice, by_seed = delta.mean(axis=2, keepdims=True), delta.mean(axis=1, keepdims=True)
    squares = {
        "slice": (n * float(((by_slice - by_user) ** 2).sum()), a * (b - 1)),
        "seed": (b * float(((by_seed - by_user) ** 2).sum()), a * (n - 1)),
        "left": (
            float(((delta - by_slice - by_seed + by_user) ** 2).sum()),
            a * (b - 1) * (n - 1),
        ),
    }
    if a > 1:
        squares = {"user": (b * n * float(((by_user - delta.mean()) ** 2).sum()), a - 1)} | squares
    mean = {name: total / freedom for name, (total, freedom) in squares.items()}
    variance = {
        "slice": (mean["slice"] - mean["left"]) / n,
        "seed": (mean["seed"] - mean["left"]) / b,
        "left": mean["left"],
    }
    if a > 1:
        variance["user"] = (mean["user"] - mean["slice"] - mean["seed"] + mean["left"]) / (b * n)
    return tuple(
        Part(name=name, variance=variance[name], mean_square=mean[name], freedom=freedom)
        for name, (_, freedom) in squares.items()
    )


def _balanced(found: Sequence[Cell]) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    """Δ by user, slice within user, and seed."""
    by_user: dict[str, dict[str, dict[int, float]]] = {}
    for cell in found:
        by_user.setdefault(cell.user, {}).setdefault(cell.slice, {})[cell.seed] = cell.delta
    slices = {len(of) for of in by_user.values()}
    seeds = {tuple(sorted(of)) for pieces in by_user.values() for of in pieces.values()}
    if len(slices) != 1 or len(seeds) != 1:
        raise ValueError(
            "not every slice has every seed, since a cell that repeats another is gone"
        )
    if min(slices) < 2 or len(min(seeds)) < 2:  # noqa: PLR2004 (one does not vary)
        raise ValueError("fewer than two slices or seeds")
    return np.array(
        [[[of[s] for s in sorted(of)] for of in pieces.values()] for pieces in by_user.values()]
    )


# --- pairs of slices --------------------------------------------------------------------------


@dataclass(frozen=True)
class Near:
    """A slice's divergence from its user's training text, in nats, and its Δ in nats per token."""

    user: str
    slice: str
    divergence: float
    delta: float


def nearest_first(found: Found) -> tuple[Near, ...]:
    """The slices of a result by pairs, the nearest to its user's training text first.

    Raises:
        ResultError: a row without its slice.
    """
    statistic = found.verdict.bet.statistic
    with of_file(found.path):
        slices = [
            Near(
                row["user"],
                row["slices"][0]["slice"],
                row["divergence"],
                row["mean_nll"][statistic.numerator] - row["mean_nll"][statistic.denominator],
            )
            for row in found.content["users"]
        ]
    return tuple(sorted(slices, key=lambda one: one.divergence))


@dataclass(frozen=True)
class RankTest:
    """Kendall's τ of Δ with nearness over slices, and its two-sided p (1938, Biometrika 30).

    The p is exact where no two slices are equally near or have the same Δ; ties take part in no
    count of pairs, and with them p is that of the normal approximation.

    Slices of one user share adapters and training text, so that fewer than all are independent, and
    ``p`` is too small by an unknown factor. ``within`` and ``between`` count pairs of one user's
    slices and of two users': those whose nearer slice has the larger Δ, and all.
    """

    tau: float
    p: float
    exact: bool
    within: tuple[int, int]
    between: tuple[int, int]


def rank_test(slices: Sequence[Near]) -> RankTest:
    """How far the order of slices by nearness is that of their Δ; the nearest stands first."""
    from scipy import stats

    nearness, deltas = [-one.divergence for one in slices], [one.delta for one in slices]
    exact = len({*nearness}) == len({*deltas}) == len(slices)
    found = stats.kendalltau(nearness, deltas, method="exact" if exact else "asymptotic")
    agrees: dict[bool, list[bool]] = {True: [], False: []}
    for near, far in combinations(slices, 2):
        if near.divergence != far.divergence and near.delta != far.delta:
            agrees[near.user == far.user].append(near.delta > far.delta)
    within, between = ((sum(of), len(of)) for of in (agrees[True], agrees[False]))
    return RankTest(float(found.statistic), float(found.pvalue), exact, within, between)
