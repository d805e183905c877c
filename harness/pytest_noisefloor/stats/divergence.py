"""Pairs of slices, to test whether a user's text helps more on held-out tokens nearer to it."""

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
"""The divergence of two texts without a common token, in nats, with room for rounding."""

UNRESOLVED = (
    "Pairs share slices, so no interval and no test of single pairs is given: for the rank "
    "correlation over slices see `noisefloor summary`."
)
"""Why a verdict on pairs has point estimates only."""


def jensen_shannon(train: Ids, heldout: Ids) -> float:
    """Return the Jensen-Shannon divergence of two texts' token frequencies, in nats: 0 to log 2.

    Compares all of a training text (n,) with a slice's scored tokens (m,), at equal weights (Lin
    1991, IEEE Transactions on Information Theory 37:145). With finite samples the estimate is
    biased upwards, more so for shorter texts.
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
    """Make one effect of every two slices: the nearer slice's over the farther slice's.

    Each label's NLL is the nearer slice's minus the farther slice's. Ratio, harm and help are
    therefore quotients of the two slices' values. A ratio above 1 means that the gain is larger on
    the nearer slice. Two slices with equal divergences are not a pair.

    Raises:
        StatisticsError: no two slices differ in divergence, or a divergence is not within 0 to log
            2.
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
