"""Pairs of slices: does a user's text gain more where held-out tokens are nearer to it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log

import numpy as np

from pytest_noisefloor._typing import Ids

from .contrast import StatisticsError
from .effect import Effect

LARGEST = log(2) + 1e-12
"""Nats: the divergence of texts without a common token, with room for rounding."""

UNRESOLVED = (
    "Pairs share slices, so no interval and no test of single pairs is given: for the rank "
    "correlation over slices see `python -m pytest_noisefloor summary`."
)
"""Why a verdict on pairs rests on point estimates."""


def jensen_shannon(train: Ids, heldout: Ids) -> float:
    """Jensen-Shannon divergence of two texts' token frequencies, in nats: 0 to log 2.

    Between the frequencies in all of a training text (n,) and in a slice's scored tokens (m,), as
    Lin (1991, IEEE Transactions on Information Theory 37:145) defines it, with equal weights. Of
    finite samples it is biased upwards, by more the shorter they are.
    """
    from scipy.spatial.distance import jensenshannon

    size = int(max(train.max(), heldout.max())) + 1
    frequencies = [np.bincount(ids, minlength=size) for ids in (train, heldout)]
    return float(jensenshannon(*frequencies)) ** 2


@dataclass(frozen=True)
class SliceDivergence:
    """A slice's divergence from its user's training text, in nats, and its Δ in nats per token."""

    user: str
    slice: str
    divergence: float
    delta: float


def slice_pairs(effects: Sequence[Effect], divergences: Sequence[float]) -> list[Effect]:
    """Every two slices as one effect: the nearer slice's over the farther slice's.

    Each label's NLL is the difference of the two slices', so that ratio, harm and help are
    quotients of theirs: a ratio above 1 says that the gain is larger on the nearer slice.

    Two slices that are equally far are no pair.

    Raises:
        StatisticsError: no two slices that differ in divergence, or what cannot be one.
    """
    if strange := [x for x in divergences if not (type(x) is float and 0 <= x <= LARGEST)]:
        raise StatisticsError(f"divergence {strange[0]!r}; expected 0 to log 2 nats")
    if len(set(divergences)) < 2:  # noqa: PLR2004 (a pair)
        raise StatisticsError(
            f"slices of {len(set(divergences))} divergences; expected two that differ, to be a pair"
        )
    ranked = sorted(zip(divergences, effects, strict=True), key=lambda pair: pair[0])
    return [
        Effect(
            user=f"{near.user} over {far.user}",
            nll={label: near.nll[label] - far.nll[label] for label in near.nll},
            contrast=near.contrast,
        )
        for (here, near), (there, far) in combinations(ranked, 2)
        if here < there
    ]
