"""How the variance of Δ splits between users, slices and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cell:
    """Δ of one user's slice under one seed in nats per token, with its standard error if known."""

    user: str
    seed: int
    slice: str
    delta: float
    se: float | None = None


@dataclass(frozen=True, kw_only=True)
class VarianceComponent:
    """One component of the variance of Δ, in nats² per token².

    ``variance`` is the estimate, and may fall below 0 by chance if the component is small.
    ``mean_square`` has ``df`` degrees of freedom.
    """

    name: str
    variance: float
    mean_square: float
    df: int


def variance_components(found: Sequence[Cell]) -> tuple[VarianceComponent, ...]:
    """Estimate the variance of Δ between users, slices and seeds, and what is left.

    Slices and seeds are nested in users and crossed with each other: each of b slices has one Δ for
    each of n seeds. With a users, the expected mean squares and their degrees of freedom are

        user      σ² + n σ²(slice) + b σ²(seed) + bn σ²(user)     a − 1
        slice     σ² + n σ²(slice)                                a (b − 1)
        seed      σ² + b σ²(seed)                                 a (n − 1)
        left      σ², with the interaction of slice and seed      a (b − 1)(n − 1)

    by the rules of Cornfield & Tukey (1956, Annals of Mathematical Statistics 27:907). Each
    variance is solved from them (Searle, Casella & McCulloch 1992, Variance Components, chapter 4).
    One user alone has no variance between users.

    Raises:
        ValueError: a cell is missing, or there are fewer than two slices or seeds.
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
        VarianceComponent(name=name, variance=variance[name], mean_square=mean[name], df=freedom)
        for name, (_, freedom) in squares.items()
    )


def _balanced(found: Sequence[Cell]) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    """Return Δ as an array (users, slices of each user, seeds)."""
    by_user: dict[str, dict[str, dict[int, float]]] = {}
    for cell in found:
        by_user.setdefault(cell.user, {}).setdefault(cell.slice, {})[cell.seed] = cell.delta
    slices = {len(of) for of in by_user.values()}
    seeds = {tuple(sorted(of)) for pieces in by_user.values() for of in pieces.values()}
    if len(slices) != 1 or len(seeds) != 1:
        raise ValueError("not every slice has every seed, because repeated cells were left out")
    if min(slices) < 2 or len(min(seeds)) < 2:  # noqa: PLR2004 (one does not vary)
        raise ValueError("fewer than two slices or seeds")
    return np.array(
        [[[of[s] for s in sorted(of)] for of in pieces.values()] for pieces in by_user.values()]
    )
