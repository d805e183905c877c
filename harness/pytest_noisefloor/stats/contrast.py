"""Which conditions a bet compares, and what its levels count."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import UNTRAINED


class StatisticsError(NoisefloorError):
    """Scores that cannot be compared."""


def _key(description: str) -> Any:
    """Return a dataclass field; its description is that of the key in a bet file."""
    return field(metadata={"description": description})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """The conditions that a bet compares, and how scores become its ratio.

    The ratio is ppl(``numerator``) / ppl(``denominator``): random over real in Bet 60. With
    ``reach`` as the denominator it is the ratio that was reachable. All three are labels, which the
    bet parses.

    ``slices``, ``seeds`` and ``unit`` use the bet file's words. They say how scores become one
    ratio, and what a level counts. ``KNOWN`` lists what can be computed.

    Raises:
        StatisticsError: a label is used twice, or ``KNOWN`` lacks this way of computing.
    """

    numerator: str = _key("the condition whose perplexity is divided: the control, as a label")
    denominator: str = _key("the condition that divides it: the user's own text, as a label")
    reach: str = _key("the condition that says what was reachable, as a label")
    slices: str = _key("how slices become one ratio, as the unit asks for")
    seeds: str = _key("how seeds become one ratio, as the unit asks for")
    unit: str = _key("what a level counts: user; user, seed and slice; or pair of slices")

    def __post_init__(self) -> None:
        labels = (*self.compared, self.reach)
        if len(set(labels)) < len(labels):
            raise StatisticsError(f"arms {', '.join(labels)}; expected three different ones")
        if self.unit not in KNOWN:
            raise StatisticsError(f"unit = {self.unit!r}; expected {' or '.join(map(repr, KNOWN))}")
        for key, known in KNOWN[self.unit].items():
            if getattr(self, key) != known:
                raise StatisticsError(f"{key} = {getattr(self, key)!r}; expected {known!r}")

    @property
    def compared(self) -> tuple[str, str]:
        """The labels that a level depends on: the denominator, then the numerator."""
        return self.denominator, self.numerator

    @property
    def trained(self) -> tuple[str, ...]:
        """All labels except the base alone."""
        return tuple(label for label in (*self.compared, self.reach) if label != UNTRAINED)

    @property
    def unit_word(self) -> str:
        """What a level counts, in one word."""
        return "user" if self.by_user else "cell" if self.by_cell else "pair"

    @property
    def by_user(self) -> bool:
        """Whether levels count whole users."""
        return self.unit == USER_UNIT

    @property
    def by_cell(self) -> bool:
        """Whether levels count cells: each slice under each seed."""
        return self.unit == CELL_UNIT

    @property
    def by_pair(self) -> bool:
        """Whether levels count pairs of slices, the slice nearer to the training text first."""
        return self.unit == PAIR_UNIT


USER_UNIT = "user"

CELL_UNIT = "user, seed and slice"

PAIR_UNIT = "pair of slices"

KNOWN = {
    USER_UNIT: {"slices": "pooled by tokens", "seeds": "mean of the logarithm"},
    CELL_UNIT: {"slices": "each a unit", "seeds": "each a unit"},
    PAIR_UNIT: {"slices": "nearer over farther", "seeds": "mean of the logarithm"},
}
"""What levels can count, and how a unit's ratio is computed from scores, in a bet file's words."""
