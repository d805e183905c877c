"""The one place that compares with a threshold: effects and a bet in, a verdict out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .bets import Bet, Criterion, Level
from .errors import NoisefloorError
from .statistics import Effect

SLACK = 1e-12
"""Relative slack at a bar, for rounding alone: 143/130 is exactly 1.1, while
exp(log 143 − log 130) is 1.0999999999999999. The next published quotient that could be meant
(142/130) misses the bar by 7e-3."""


class JudgeError(NoisefloorError):
    """Nothing that could be judged."""


@dataclass(frozen=True)
class Verdict:
    """A level with its evidence.

    ``met`` counts, for each criterion, the users that satisfy it. ``planted`` marks a verdict
    that only proves the machinery.
    """

    bet: Bet
    level: Level
    effects: tuple[Effect, ...]
    met: dict[Level, tuple[str, ...]]
    planted: bool = False


def judge(bet: Bet, effects: Sequence[Effect], *, planted: bool = False) -> Verdict:
    """The level that a bet's criteria give to the users' effects.

    Levels rest on point estimates of the ratio, verbatim. STRICT implies LENIENT, so the highest
    level whose condition holds is the verdict; CATASTROPHIC and LENIENT cannot hold together
    while each needs more than half of the users.

    Raises:
        JudgeError: no users, or a user twice.
    """
    users = [effect.user for effect in effects]
    if not users or len(set(users)) != len(users):
        raise JudgeError(f"users {', '.join(users) or '(none)'}: expected each once, at least one")
    met = {
        criterion.level: tuple(e.user for e in effects if satisfies(e, criterion))
        for criterion in bet.criteria
    }
    reached = [c.level for c in bet.criteria if len(met[c.level]) >= c.needed(len(users))]
    good = [level for level in reached if level > Level.NOT_MET]
    level = max(good, default=min(reached, default=Level.NOT_MET))
    return Verdict(bet, level, tuple(effects), met, planted)


def satisfies(effect: Effect, criterion: Criterion) -> bool:
    """Whether one user's ratio satisfies a criterion."""
    if criterion.comparison == "at least":
        return effect.ratio >= criterion.bar * (1 - SLACK)
    return effect.ratio < criterion.bar * (1 - SLACK)
