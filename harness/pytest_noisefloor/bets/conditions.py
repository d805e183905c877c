"""Conditions: what a bet compares, in the labels of its file.

``real`` is an arm trained by the bet's own method and rate. An import path names anybody's own arm,
trained the same way. ``full/real@5e-4`` names another method, another rate, or both. ``other`` is
every other user's own adapter, and ``pooled`` an adapter trained on the other users' texts
together. ``untrained`` is the base alone. ``a | b`` is whichever condition predicts a unit's
held-out tokens better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_noisefloor.data import ARMS, is_arm
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import UNTRAINED
from pytest_noisefloor.training import METHODS

OTHER, POOLED = "other", "pooled"


def _expected() -> str:
    """List what may stand for an arm in a condition."""
    return f"{' or '.join((*ARMS, OTHER, POOLED, UNTRAINED))}, or an import path"


class ConditionError(NoisefloorError):
    """A label that names nothing that can be trained or scored."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition to compare; ``method`` and ``lr`` are None if they are the bet's own."""

    source: str
    method: str | None = None
    lr: float | None = None

    @property
    def arm(self) -> str:
        """The arm to train; for other users' adapters and pooled ones it is ``real``."""
        return "real" if self.source in (OTHER, POOLED) else self.source


def parse_label(words: str) -> tuple[Condition, ...]:
    """Parse the conditions in a label of a bet file, in the label's order.

    Raises:
        ConditionError: an arm or method is unknown, a rate is invalid, or a condition is repeated.
    """
    if not isinstance(words, str):
        raise ConditionError(f"{words!r}; expected {_expected()}")
    found = tuple(_condition(part) for part in words.split(" | "))
    if len(set(found)) < len(found):
        raise ConditionError(f"{words!r}; expected each condition once")
    return found


def _condition(words: str) -> Condition:
    named, _, rate = words.partition("@")
    method, _, source = named.rpartition("/")
    if not (is_arm(source) or source in (OTHER, POOLED, UNTRAINED)):
        raise ConditionError(f"{words!r}; expected {_expected()}")
    if "/" in named and method not in METHODS:
        raise ConditionError(f"{words!r}; expected {' or '.join(METHODS)} before '/'")
    if "@" in words and not _is_rate(rate):
        raise ConditionError(f"{words!r}; expected a learning rate above 0 after '@'")
    if source == UNTRAINED and (method or rate):
        raise ConditionError(f"{words!r}; expected {UNTRAINED} without method or rate")
    return Condition(source, method or None, float(rate) if rate else None)


def _is_rate(rate: str) -> bool:
    try:
        return 0 < float(rate) < math.inf
    except ValueError:
        return False


def is_best_of(label: str) -> bool:
    """Return whether a label stands for the best of several adapters."""
    named = parse_label(label)
    return len(named) > 1 or named[0].source == OTHER
