"""Effects from per-token scores: pure functions, in nats per token."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pytest_noisefloor.specs import UNTRAINED

from .contrast import Contrast, StatisticsError

LARGEST_NLL = 350.0
"""Largest mean NLL accepted, in nats per token.

exp(2 × 350) is still a float64, exp(2 × 355) is not. Guessing uniformly among a million tokens
costs 14.
"""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One unit's comparison on the same held-out tokens.

    ``user`` names the unit; the name includes the user's. ``nll`` has each label's mean negative
    log-likelihood in nats per token, pooled over slices by tokens and averaged over seeds.
    ``untrained`` is missing if it was not published.

    Ratios are quotients of perplexities: exp of a difference of these means. They are never ratios
    of averaged perplexities.

    Raises:
        StatisticsError: the mean of a compared arm is missing, or a mean is not finite or so large
            that quotients overflow.
    """

    user: str
    nll: Mapping[str, float]
    contrast: Contrast

    def __post_init__(self) -> None:
        for arm in self.contrast.compared:
            if arm not in self.nll:
                raise StatisticsError(f"user {self.user!r}: no mean NLL of arm {arm!r}")
        for arm, value in self.nll.items():
            if not abs(value) <= LARGEST_NLL:
                raise StatisticsError(
                    f"user {self.user!r}: mean NLL({arm}) = {value}; expected a finite number of "
                    f"nats, at most {LARGEST_NLL:g}"
                )

    @property
    def delta(self) -> float:
        """Δ = NLL(numerator) − NLL(denominator), nats per token: above 0, the denominator won."""
        return self.nll[self.contrast.numerator] - self.nll[self.contrast.denominator]

    @property
    def ratio(self) -> float:
        """ppl(numerator) / ppl(denominator) = exp Δ: above 1, the denominator won."""
        return math.exp(self.delta)

    @property
    def harm(self) -> float | None:
        """ppl(numerator) / ppl(untrained): above 1, the control made the base worse."""
        if UNTRAINED not in self.nll:
            return None
        return math.exp(self.nll[self.contrast.numerator] - self.nll[UNTRAINED])

    @property
    def help(self) -> float | None:
        """ppl(untrained) / ppl(denominator): above 1, the user's text made the base better."""
        if UNTRAINED not in self.nll:
            return None
        return math.exp(self.nll[UNTRAINED] - self.nll[self.contrast.denominator])

    @property
    def winner(self) -> str:
        """The arm with the lower perplexity, or ``tie``."""
        if self.delta == 0:
            return "tie"
        return self.contrast.denominator if self.delta > 0 else self.contrast.numerator


def mean_nll(slices: Sequence[npt.NDArray[np.float32]]) -> float:
    """Return the mean negative log-likelihood over all tokens of some slices, each (n,), in nats.

    Sums are in float64, so the order of slices changes no printed digit.

    Raises:
        StatisticsError: there are no tokens, or a score is not finite.
    """
    total = math.fsum(float(scores.sum(dtype=np.float64)) for scores in slices)
    count = sum(scores.size for scores in slices)
    if not count or not math.isfinite(total):
        raise StatisticsError(f"{count} scores that sum to {total}; expected finite scores")
    return total / count


def effect_from_perplexities(
    user: str, perplexities: Mapping[str, float], contrast: Contrast
) -> Effect:
    """Build an effect from published perplexities, given by arm.

    Raises:
        StatisticsError: a perplexity is below 1 or not finite.
    """
    for arm, value in perplexities.items():
        if not 1 <= value < math.inf:
            raise StatisticsError(
                f"user {user!r}: {arm} perplexity {value}; expected a number of 1 or more"
            )
    nll = {arm: math.log(value) for arm, value in perplexities.items()}
    return Effect(user=user, nll=nll, contrast=contrast)
