"""What all sentences and tables about a verdict share: names, quotients, and what to speak of."""

from __future__ import annotations

from collections.abc import Sequence

from .arms import UNTRAINED
from .bets import Level
from .conditions import conditions, in_words
from .intervals import Interval
from .judge import Verdict, margin
from .statistics import Statistic

SHOWN = 20
"""Users that are shown or named one by one; of more the result file has all."""

LEVELS = (Level.CATASTROPHIC, Level.LENIENT, Level.STRICT)


def quotient(interval: Interval | None) -> str:
    """An interval as a quotient of perplexities with its bounds; a dash where there is none."""
    if interval is None:
        return "–"
    estimate, low, high = interval.ratios
    return f"{estimate:.4f} [{low:.4f}, {high:.4f}]"


def within(reached: bool | None) -> str:
    """Whether a level was within reach, in words; None where that is not known."""
    return "unknown" if reached is None else "within reach" if reached else "out of reach"


def names(users: Sequence[str]) -> str:
    """Users, each with what is said of it, in a row; of many the first."""
    more = f" and {len(users) - SHOWN} more" if len(users) > SHOWN else ""
    return ", ".join(users[:SHOWN]) + more


def counted(units: Sequence[str], verdict: Verdict) -> str:
    """Users by name; of less their number, since there are many and none stands for itself."""
    statistic = verdict.bet.statistic
    if statistic.by_user:
        return names(units)
    return f"{len(units)} of {len(verdict.effects)} {unit(statistic)}s"


def unit(statistic: Statistic) -> str:
    """What a level counts, in one word."""
    return "user" if statistic.by_user else "cell" if statistic.by_cell else "pair"


def own(verdict: Verdict) -> str:
    """What the ratio has below, as a sentence has it."""
    return in_words(verdict.bet.statistic.denominator)


def control(verdict: Verdict) -> str:
    """What the ratio has above, as a sentence has it."""
    return in_words(verdict.bet.statistic.numerator)


def has_harm(statistic: Statistic) -> bool:
    """Whether harm can differ from 1: the control is not the base alone."""
    return statistic.numerator != UNTRAINED


def has_reach(statistic: Statistic) -> bool:
    """Whether the oracle's adapter stands for the best that the denominator could have been."""
    first, *more = conditions(statistic.denominator)
    return first.source == "real" and not more


def has_margin(verdict: Verdict) -> bool:
    """Whether LENIENT's bar leaves room for no effect: a bar of 1 leaves none."""
    return margin(verdict.bet) > 0
