"""How much an arm's mean NLL varies between trainings that differ in the seed alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .blocks import BinSums
from .contrast import Contrast

OWN_SEEDS = 3
"""Fewest seeds of a unit that give its own spread."""

Source = Literal["own seeds", "other users", "filed"]
"""Where a spread comes from: the unit's own seeds, other users of the same bet, or a file."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The standard deviation of an arm's mean NLL between trainings, in nats per token.

    ``df`` are its degrees of freedom. ``sha256`` is the hash of the file that it comes from, and
    empty if it was computed from the scores at hand.
    """

    sd: float
    df: float
    source: Source
    sha256: str = ""


def pooled(parts: Iterable[tuple[float, float]]) -> tuple[float, float] | None:
    """Pool standard deviations by the mean of their variances, weighted by degrees of freedom.

    Args:
        parts: pairs of a standard deviation and its degrees of freedom.

    Returns:
        The pooled standard deviation and its degrees of freedom. None without parts.
    """
    parts = list(parts)
    freedom = sum(df for _, df in parts)
    if not freedom:
        return None
    # multiply: scaling by a power of two is then exact, which a library's power need not be
    return math.sqrt(sum(df * (sd * sd) for sd, df in parts) / freedom), freedom


def spreads_of(
    all_bins: Sequence[BinSums],
    contrast: Contrast,
    filed: Sequence[Mapping[str, Spread]] = (),
) -> tuple[dict[str, Spread], ...]:
    """Return what is known of the spread of each unit's arms, by label.

    The units of one user on the same text are one family: cells that differ in the seed, or one
    unit with all seeds. A spread comes from the unit's own family if that has OWN_SEEDS trainings
    with different scores. Otherwise it is pooled over the bet's other users that have at least two.
    Otherwise it is the one from a file. A label without any is left out.

    Args:
        all_bins: each unit's scores.
        contrast: the arms to compare.
        filed: for each unit, what a file says of its arms. Empty if there is no file.
    """
    families: dict[tuple[str, str], list[BinSums]] = {}
    for bins in all_bins:
        families.setdefault(bins.family, []).append(bins)
    found: tuple[dict[str, Spread], ...] = tuple({} for _ in all_bins)
    for label in contrast.trained:
        by_family = {key: _own(units, label) for key, units in families.items()}
        by_user = _by_user(by_family)
        for at, bins in enumerate(all_bins):
            own = by_family[bins.family]
            others = pooled(of for user, of in by_user.items() if user != bins.family[0])
            if own and own[1] >= OWN_SEEDS - 1:
                found[at][label] = Spread(sd=own[0], df=own[1], source="own seeds")
            elif others:
                found[at][label] = Spread(sd=others[0], df=others[1], source="other users")
            elif filed and label in filed[at]:
                found[at][label] = filed[at][label]
    return found


def _own(units: Sequence[BinSums], label: str) -> tuple[float, float] | None:
    """Return a family's standard deviation and its degrees of freedom.

    Trainings with the same scores count once. The result is None if fewer than two are left, or if
    they have the same mean.
    """
    means = {
        row.tobytes(): float(row.sum() / one.tokens.sum())
        for one in units
        for row in one.sums.get(label, ())
    }
    if len(means) <= 1:
        return None
    sd = float(np.std([*means.values()], ddof=1))
    return (sd, len(means) - 1.0) if sd else None


def _by_user(
    by_family: Mapping[tuple[str, str], tuple[float, float] | None],
) -> dict[str, tuple[float, float]]:
    """Return each user's mean variance over families, as a standard deviation.

    Families of one user share trainings, so they add no degrees of freedom.
    """
    of_user: dict[str, list[tuple[float, float]]] = {}
    for (user, _), own in by_family.items():
        if own:
            of_user.setdefault(user, []).append(own)
    return {
        user: (math.sqrt(sum(sd * sd for sd, _ in of) / len(of)), min(df for _, df in of))
        for user, of in of_user.items()
    }
