"""Conditions: what a bet compares, in its file's words.

``real`` is an arm by the bet's own method and rate, and so is anybody's own by its import path;
``full/real@5e-4`` names another method, another rate, or both; ``other`` is every other user's own
adapter, ``pooled`` an adapter trained on the other users' texts together, ``untrained`` the base
alone. ``a | b`` is whichever of them predicts a unit's held-out tokens better.
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
    """What may stand for an arm in a condition."""
    return f"{' or '.join((*ARMS, OTHER, POOLED, UNTRAINED))}, or an import path"


class ConditionError(NoisefloorError):
    """Words that name nothing that could be trained or scored."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing to compare; ``method`` and ``lr`` are None where the bet's own apply."""

    source: str
    method: str | None = None
    lr: float | None = None

    @property
    def arm(self) -> str:
        """The arm that trains: other users' adapters, and pooled ones, are of real text."""
        return "real" if self.source in (OTHER, POOLED) else self.source


def parse_label(words: str) -> tuple[Condition, ...]:
    """The conditions that a label of a bet file names, in its order.

    Raises:
        ConditionError: no such arm or method, a rate that is none, or one condition twice.
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
    """Whether the best of more than one adapter stands for a label."""
    named = parse_label(label)
    return len(named) > 1 or named[0].source == OTHER
