"""The one place that compares with a threshold: effects and a bet in, a verdict out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.stats import ALPHA, Effect, Interval, UserInference

from .bet import Bet, Criterion, Level, Status

SLACK = 1e-12
"""Relative slack at a bar, for rounding alone: 143/130 is exactly 1.1, while
exp(log 143 − log 130) is 1.0999999999999999. The next published quotient that could be meant
(142/130) misses the bar by 7e-3."""

ABSENT = "ABSENT"
ASSERTIONS = ("STRICT", "LENIENT", "NOT_MET", ABSENT, "CATASTROPHIC")
"""What a claim can assert."""


UNKNOWN = "unknown"
_REACHED = {None: UNKNOWN, True: "within reach", False: "out of reach"}


class JudgeError(NoisefloorError):
    """Nothing that could be judged."""


@dataclass(frozen=True)
class Reach:
    """Who could have met a level, had the real arm had the best text.

    A user is counted whose real ratio, or whose oracle's upper bound, satisfies the level's
    condition: ``by_ratio``; ``by_help`` with help in place of the ratio, so without harm by the
    control. ``open_ratio`` and ``open_help`` are the users of whom that is not known, since their
    oracle has no interval.
    """

    level: Level
    n_required: int
    by_ratio: tuple[str, ...]
    open_ratio: tuple[str, ...]
    by_help: tuple[str, ...]
    open_help: tuple[str, ...]

    @property
    def within(self) -> bool | None:
        """Whether the level was within reach of the ratio; None where open users decide that."""
        return self._enough(self.by_ratio, self.open_ratio)

    @property
    def within_help(self) -> bool | None:
        """Whether the level was within reach of help alone; None where open users decide that."""
        return self._enough(self.by_help, self.open_help)

    @property
    def outcome(self) -> str:
        """Whether the level was within reach of the ratio, in words."""
        return _REACHED[self.within]

    @property
    def outcome_by_help(self) -> str:
        """Whether the level was within reach of help alone, in words."""
        return _REACHED[self.within_help]

    def _enough(self, counted: tuple[str, ...], unknown: tuple[str, ...]) -> bool | None:
        if len(counted) >= self.n_required:
            return True
        return False if len(counted) + len(unknown) < self.n_required else None


@dataclass(frozen=True)
class SimulatedRates:
    """What judge() said in ``trials`` simulated repetitions at one true ratio of every user."""

    ratio: float
    trials: int
    counts: dict[Level, int]


@dataclass(frozen=True)
class Verdict:
    """A level with its evidence.

    ``met`` counts, for each criterion, the users that satisfy it. ``planted`` marks a verdict
    that only proves the machinery. What rests on the scores of single tokens is empty for a
    published table, and where ``unresolved`` says why not: ``resolved`` for each user, ``reach``
    of each level with a least ratio, and ``error_rates`` of the bet itself.
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

    @property
    def status(self) -> Status:
        """What the verdict is worth: only a registered bet's proves a criterion."""
        return self.bet.status(planted=self.planted)

    def holds(self, level: Level) -> bool:
        """Whether a criterion's condition holds; STRICT and LENIENT can hold together."""
        criterion = next(c for c in self.bet.criteria if c.level == level)
        return len(self.met[level]) >= criterion.n_required(len(self.effects))

    @property
    def short(self) -> tuple[str, ...]:
        """Users without intervals, their held-out text being too short for them."""
        known = {one.user for one in self.resolved}
        return tuple(effect.user for effect in self.effects if effect.user not in known)

    @property
    def helped(self) -> tuple[str, ...]:
        """Users whose own text made the base better, resolved: help's lower bound is above 1."""
        return tuple(one.user for one in self.resolved if one.help is not None and one.help.low > 0)

    @property
    def won(self) -> tuple[str, ...]:
        """Users for whom the ratio is above 1, resolved: Δ's lower bound is above 0."""
        return tuple(one.user for one in self.resolved if one.delta.low > 0)

    @property
    def lost(self) -> tuple[str, ...]:
        """Users for whom the ratio is below 1, resolved: Δ's upper bound is below 0."""
        return tuple(one.user for one in self.resolved if one.delta.high < 0)

    @property
    def lenient_reachable(self) -> bool:
        """Whether LENIENT is shown to be within reach, by the oracles' lower bounds."""
        lenient = next(c for c in self.bet.criteria if c.level == Level.LENIENT)
        lows = [math.exp(one.oracle.low) for one in self.resolved if one.oracle is not None]
        return sum(compare(low, lenient) for low in lows) >= lenient.n_required(len(self.effects))

    @property
    def absent(self) -> tuple[str, ...]:
        """Users whose ratio is shown to lie within LENIENT's bar, on either side (TOST)."""
        return tuple(one.user for one in self.resolved if one.equivalence_p < ALPHA)


def claimable(verdict: Verdict) -> tuple[str, ...]:
    """What a claim may assert on this verdict: level names, and ABSENT.

    LENIENT and STRICT need more than the level: on every user that meets it, the user's own text
    must have beaten the control, resolved, since a bar of 1 is met by half of all tosses; and it
    must have made the base better, resolved, or random harm could buy it. ABSENT (no
    personalisation of LENIENT's size) is for a bet whose control is random tokens; it needs every
    user within the bar, shown, and LENIENT within reach, since a design that could not have seen
    an effect shows nothing by seeing none: there the oracle's lower bound counts, as its upper
    bound does for what is out of reach.
    """
    if verdict.level > Level.NOT_MET:
        levels = [lv for lv in (Level.LENIENT, Level.STRICT) if verdict.holds(lv)]
        shown_on = set(verdict.helped) & set(verdict.won)
        return tuple(lv.name for lv in levels if set(verdict.met[lv]) <= shown_on)
    shown = len(verdict.absent) == len(verdict.effects)
    controlled = verdict.bet.controlled
    if verdict.level == Level.NOT_MET and controlled and shown and verdict.lenient_reachable:
        return (Level.NOT_MET.name, ABSENT)
    return (verdict.level.name,)


def margin(bet: Bet) -> float:
    """What counts as no effect, in nats: the logarithm of LENIENT's bar."""
    return math.log(next(c.threshold for c in bet.criteria if c.level == Level.LENIENT))


def judge(
    bet: Bet,
    effects: Sequence[Effect],
    *,
    planted: bool = False,
    resolved: Sequence[UserInference] = (),
    unresolved: str = "",
) -> Verdict:
    """The level that a bet's criteria give to the users' effects.

    Levels rest on point estimates of the ratio, verbatim. STRICT implies LENIENT, so the highest
    level whose condition holds is the verdict; CATASTROPHIC and LENIENT cannot hold together,
    which a bet's own check of its shares sees to. What is ``resolved`` never changes the level.

    Raises:
        JudgeError: no users, a user twice, effects of another statistic than the bet's, or other
            users resolved than these.
    """
    users = [effect.user for effect in effects]
    if not users or len(set(users)) != len(users):
        raise JudgeError(f"users {', '.join(users) or '(none)'}: expected each once, at least one")
    if any(effect.contrast != bet.contrast for effect in effects):
        raise JudgeError(f"effects of another statistic than Bet {bet.id}'s, {bet.contrast}")
    known = [one.user for one in resolved]  # one whose text is too short costs no other its own
    if known != [user for user in users if user in known]:
        raise JudgeError(
            f"users {', '.join(users)}, but intervals of "
            f"{', '.join(one.user for one in resolved)}; expected the same in the same order"
        )
    met = {
        criterion.level: tuple(e.user for e in effects if satisfies(e, criterion))
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
        reach=_reach(bet, effects, resolved),
        rests_on_harm=tuple(
            c.level
            for c in bet.criteria
            if c.level in good
            and all(e.help is not None for e in effects)
            and sum(compare(e.help or 0.0, c) for e in effects) < c.n_required(len(users))
        ),
        unresolved=unresolved,
    )


def satisfies(effect: Effect, criterion: Criterion) -> bool:
    """Whether one user's ratio satisfies a criterion."""
    return compare(effect.ratio, criterion)


def compare(value: float, criterion: Criterion) -> bool:
    """Whether a quotient of perplexities satisfies a criterion's condition."""
    if criterion.comparison == "at least":
        return value >= criterion.threshold * (1 - SLACK)
    return value < criterion.threshold * (1 - SLACK)


def _reach(
    bet: Bet, effects: Sequence[Effect], resolved: Sequence[UserInference]
) -> tuple[Reach, ...]:
    """The reach of every level with a least ratio, where any user's oracle is resolved."""
    if all(one.oracle is None and one.oracle_help is None for one in resolved):
        return ()
    by_ratio = {one.user: one.oracle for one in resolved}
    by_help = {one.user: one.oracle_help for one in resolved}

    def counted(
        own: Sequence[float | None], best: Mapping[str, Interval | None], criterion: Criterion
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        met, unknown = [], []
        for effect, mine in zip(effects, own, strict=True):
            oracle = best.get(effect.user)
            bounds = [mine or 0.0, *([math.exp(oracle.high)] if oracle else [])]
            if any(compare(value, criterion) for value in bounds):
                met.append(effect.user)
            elif oracle is None:
                unknown.append(effect.user)
        return tuple(met), tuple(unknown)

    return tuple(
        Reach(
            c.level,
            c.n_required(len(effects)),
            *counted([e.ratio for e in effects], by_ratio, c),
            *counted([e.help for e in effects], by_help, c),
        )
        for c in bet.criteria
        if c.comparison == "at least"
    )
