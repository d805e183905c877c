"""Effects from per-token scores: pure functions, in nats per token."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import NoisefloorError

LARGEST_NLL = 350.0
"""Nats per token. exp(2 × 350) is still a float64, exp(2 × 355) is not; uniform guessing among a
million tokens costs 14."""


class StatisticsError(NoisefloorError):
    """Scores that cannot be compared."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One user's comparison of arms on the same held-out tokens.

    ``untrained``, ``real``, ``random`` and ``oracle`` are mean negative log-likelihoods in nats
    per token, pooled over slices by tokens and averaged over seeds; ``untrained`` is None where it
    was not published, ``oracle`` where nobody asked what was reachable. Ratios are quotients of
    perplexities, exp of differences of these means; they are never ratios of averaged
    perplexities.

    Raises:
        StatisticsError: a mean that is not finite, or so large that quotients overflow.
    """

    user: str
    real: float
    random: float
    untrained: float | None = None
    oracle: float | None = None

    def __post_init__(self) -> None:
        for arm in ("real", "random", "untrained", "oracle"):
            value = getattr(self, arm)
            if value is not None and not abs(value) <= LARGEST_NLL:
                raise StatisticsError(
                    f"user {self.user!r}: mean NLL({arm}) = {value}; expected a finite number of "
                    f"nats, at most {LARGEST_NLL:g}"
                )

    @property
    def delta(self) -> float:
        """Δ = NLL(random) − NLL(real), nats per token: above 0 the real text won."""
        return self.random - self.real

    @property
    def ratio(self) -> float:
        """ppl(random) / ppl(real) = exp Δ: above 1 the real text won."""
        return math.exp(self.delta)

    @property
    def harm(self) -> float | None:
        """ppl(random) / ppl(untrained): above 1, random tokens made the base worse."""
        return None if self.untrained is None else math.exp(self.random - self.untrained)

    @property
    def help(self) -> float | None:
        """ppl(untrained) / ppl(real): above 1, the user's text made the base better."""
        return None if self.untrained is None else math.exp(self.untrained - self.real)

    @property
    def winner(self) -> str:
        """The arm with the lower perplexity, or ``tie``."""
        if self.delta == 0:
            return "tie"
        return "real" if self.delta > 0 else "random"


def mean_nll(slices: Sequence[npt.NDArray[np.float32]]) -> float:
    """Mean negative log-likelihood over all tokens of some slices, each (n,), in nats.

    Summed in float64, so that the order of slices changes nothing that is printed.

    Raises:
        StatisticsError: no tokens, or a score that is not finite.
    """
    total = math.fsum(float(scores.sum(dtype=np.float64)) for scores in slices)
    count = sum(scores.size for scores in slices)
    if not count or not math.isfinite(total):
        raise StatisticsError(f"{count} scores that sum to {total}; expected finite scores")
    return total / count


def effect_from_perplexities(
    user: str, *, real: float, random: float, untrained: float | None = None
) -> Effect:
    """An effect from published perplexities.

    Raises:
        StatisticsError: a perplexity that none can be (below 1, or not finite).
    """
    given = {"real": real, "random": random, "untrained": untrained}
    for arm, value in given.items():
        if value is not None and not 1 <= value < math.inf:
            raise StatisticsError(
                f"user {user!r}: {arm} perplexity {value}; expected a number of 1 or more"
            )
    return Effect(
        user=user,
        real=math.log(real),
        random=math.log(random),
        untrained=None if untrained is None else math.log(untrained),
    )
