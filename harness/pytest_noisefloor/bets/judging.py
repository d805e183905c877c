"""Judge effects by a bet's criteria: the level, by points, and what stands beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.stats import Effect, UserInference

from .bet import Bet, Level
from .findings import Findings, find
from .reach import Outcome, Reach, UnitReach, gains_shown, reach_of_levels
from .registration import Status

UNKNOWN = "unknown"


class JudgeError(NoisefloorError):
    """Effects that cannot be judged."""


@dataclass(frozen=True)
class SimulatedRates:
    """How often judge() gave each level in ``trials`` simulations with one true ratio for all."""

    ratio: float
    trials: int
    counts: dict[Level, int]


@dataclass(frozen=True)
class Verdict:
    """A level with its evidence.

    ``met`` lists, for each criterion, the users that satisfy it. ``rests_on_harm`` lists the levels
    that were met, but would not be with help in the ratio's place. ``planted`` marks a verdict that
    only proves the machinery.

    Some fields rest on per-token scores, and are empty for a published table: ``resolved`` for
    each user, ``reach`` of each level with a minimum ratio, ``reachable`` for each user, which
    files of versions 1 to 3 lack, and ``error_rates`` of the bet. ``unresolved`` says why any of
    these is missing.
    """

    bet: Bet
    level: Level
    effects: tuple[Effect, ...]
    met: dict[Level, tuple[str, ...]]
    planted: bool
    resolved: tuple[UserInference, ...]
    reach: tuple[Reach, ...]
    rests_on_harm: tuple[Level, ...]
    unresolved: str
    error_rates: tuple[SimulatedRates, ...] = ()
    reachable: tuple[UnitReach, ...] = ()

    @property
    def status(self) -> Status:
        """The verdict's standing: only a registered bet's verdict proves a criterion."""
        return self.bet.status(planted=self.planted)

    def holds(self, level: Level) -> bool:
        """Return whether a level's condition holds; STRICT and LENIENT can both hold."""
        criterion = self.bet.criterion(level)
        return len(self.met[level]) >= criterion.n_required(len(self.effects))

    @property
    def short(self) -> tuple[str, ...]:
        """Users whose held-out text is too short for an interval."""
        known = {one.user for one in self.resolved}
        return tuple(effect.user for effect in self.effects if effect.user not in known)

    @property
    def helped(self) -> tuple[str, ...]:
        """Users whose own text is shown to improve the base: help's lower bound is above 1."""
        return tuple(one.user for one in self.resolved if one.help is not None and one.help.low > 0)

    @property
    def won(self) -> tuple[str, ...]:
        """Users whose ratio is shown to be above 1: Δ's lower bound is above 0."""
        return tuple(one.user for one in self.resolved if one.delta.low > 0)

    @property
    def lost(self) -> tuple[str, ...]:
        """Users whose ratio is shown to be below 1: Δ's upper bound is below 0."""
        return tuple(one.user for one in self.resolved if one.delta.high < 0)

    @property
    def lenient_reach(self) -> Outcome:
        """What is known of LENIENT's reach."""
        found = [one.outcome for one in self.reach if one.level is Level.LENIENT]
        return found[0] if found else Outcome.UNKNOWN

    def reaches(self, ratio: float) -> bool:
        """Return whether a ratio is shown to be within reach by help, for as many as LENIENT needs.

        An oracle's help shows it, or a measured step's: by their lower bounds.
        """
        needed = self.bet.criterion(Level.LENIENT).n_required(len(self.effects))
        lows = gains_shown(self.resolved, self.reachable)
        return sum(math.exp(low) >= ratio for low in lows) >= needed

    @cached_property
    def findings(self) -> Findings:
        """What is shown beyond the level, and what may be claimed."""
        return find(self)


def judge(
    bet: Bet,
    effects: Sequence[Effect],
    *,
    planted: bool = False,
    resolved: Sequence[UserInference] = (),
    reachable: Sequence[UnitReach] = (),
    unresolved: str = "",
) -> Verdict:
    """Return the verdict of a bet's criteria on the users' effects.

    Levels depend on point estimates of the ratio, verbatim. STRICT implies LENIENT, so the verdict
    is the highest level whose condition holds. CATASTROPHIC and LENIENT cannot both hold, because
    ``Bet`` checks their fractions. ``resolved`` and ``reachable`` never change the level.

    Raises:
        JudgeError: there are no users, a user is repeated, the effects have a different contrast
            from the bet's, or ``resolved`` has other users or another order.
    """
    users = [effect.user for effect in effects]
    if not users or len(set(users)) != len(users):
        raise JudgeError(f"users {', '.join(users) or '(none)'}: expected each once, at least one")
    if any(effect.contrast != bet.contrast for effect in effects):
        raise JudgeError(f"effects of another statistic than Bet {bet.id}'s, {bet.contrast}")
    known = [one.user for one in resolved]  # users whose text is too short have none
    if known != [user for user in users if user in known]:
        raise JudgeError(
            f"users {', '.join(users)}, but intervals of "
            f"{', '.join(one.user for one in resolved)}; expected the same in the same order"
        )
    met = {
        criterion.level: tuple(e.user for e in effects if criterion.is_met_by(e.ratio))
        for criterion in bet.criteria
    }
    reached = [c.level for c in bet.criteria if len(met[c.level]) >= c.n_required(len(effects))]
    good = [level for level in reached if level > Level.NOT_MET]
    return Verdict(
        bet,
        level=max(good, default=min(reached, default=Level.NOT_MET)),
        effects=tuple(effects),
        met=met,
        planted=planted,
        resolved=tuple(resolved),
        reach=reach_of_levels(bet, effects, resolved, reachable),
        rests_on_harm=tuple(
            c.level
            for c in bet.criteria
            if c.level in good
            and all(e.help is not None for e in effects)
            and sum(c.is_met_by(e.help or 0.0) for e in effects) < c.n_required(len(users))
        ),
        unresolved=unresolved,
        reachable=tuple(reachable),
    )
