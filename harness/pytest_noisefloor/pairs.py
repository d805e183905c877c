"""Pairs of slices: does a user's text gain more where held-out tokens are nearer to it?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from .arms import Ids
from .statistics import Effect, StatisticsError

UNRESOLVED = (
    "Pairs share slices, so no interval and no test of single pairs is given: for the rank "
    "correlation over slices see `python -m pytest_noisefloor summary`."
)
"""Why a verdict on pairs rests on point estimates."""


def divergence(train: Ids, heldout: Ids) -> float:
    """Jensen-Shannon divergence of two texts' token frequencies, in nats: 0 to log 2.

    Between the frequencies in all of a training text (n,) and in a slice's scored tokens (m,), as
    Lin (1991, IEEE Transactions on Information Theory 37:145) defines it, with equal weights. Of
    finite samples it is biased upwards, by more the shorter they are.
    """
    from scipy.spatial.distance import jensenshannon

    size = int(max(train.max(), heldout.max())) + 1
    frequencies = [np.bincount(ids, minlength=size) for ids in (train, heldout)]
    return float(jensenshannon(*frequencies)) ** 2


def paired(effects: Sequence[Effect], divergences: Sequence[float]) -> list[Effect]:
    """Every two slices as one effect: the nearer slice's over the farther slice's.

    Each label's NLL is the difference of the two slices', so that ratio, harm and help are
    quotients of theirs: a ratio above 1 says that the gain is larger on the nearer slice.

    Raises:
        StatisticsError: slices that are equally far, or of no known divergence.
    """
    ranked = sorted(zip(divergences, effects, strict=True), key=lambda pair: pair[0])
    if not all(one < other for (one, _), (other, _) in pairwise(ranked)):
        raise StatisticsError(
            f"divergences {', '.join(map(str, sorted(divergences)))}; expected different numbers"
        )
    ordered = [effect for _, effect in ranked]
    return [
        Effect(
            user=f"{near.user} over {far.user}",
            nll={label: near.nll[label] - far.nll[label] for label in near.nll},
            statistic=near.statistic,
        )
        for at, near in enumerate(ordered)
        for far in ordered[at + 1 :]
    ]
