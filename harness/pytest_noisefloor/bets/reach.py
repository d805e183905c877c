"""Reach: whether a level could have been met at all, by help alone.

Harm is no reach, so what counts is how far a unit's own held-out NLL could have fallen while no
trained value moved by more than a distance r. Two figures bracket it. The *ceiling* is r · ‖∇L‖₁ at
the untrained base: an estimate and no bound, since L is not linear. The *floor* is the gain of a
step of at most r against the gradient's sign, and was scored. Neither needs a training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pytest_noisefloor.specs import UNTRAINED, Recipe
from pytest_noisefloor.stats import (
    LARGEST_NLL,
    BinSums,
    Contrast,
    Effect,
    Interval,
    TooLittleText,
    UserInference,
    group_interval,
)

from .bet import Bet, Criterion, Level
from .conditions import parse_label

STEP = "step"
"""The label of the scores after a step, among a unit's bins."""


class Outcome(StrEnum):
    """What is known of a level's reach. The third is said of the recipe's own oracle alone."""

    WITHIN = "within reach"
    OUT = "out of reach"
    OUT_OF_RECIPE = "out of this recipe's reach"
    UNKNOWN = "not known"


@dataclass(frozen=True, kw_only=True)
class UnitReach:
    """How far a unit's held-out NLL could fall, measured without a training.

    ``user`` is the unit's name. ``moved`` is the distance r: how far the value that moved most is
    from its start, or could be. ``norm`` is ‖∇L‖₁ at the start, in nats per token per unit of
    distance; None if the method has no first-order term there. ``step`` is the size of the best
    step that was scored, ``gain`` what it gained in nats per token, and ``floor`` the interval of
    that; None if the text is too short for one. ``bins`` has the scores of the untrained base and
    those after the step.
    """

    user: str
    moved: float
    norm: float | None
    step: float
    gain: float
    floor: Interval | None
    bins: BinSums = field(repr=False, compare=False)

    @property
    def ceiling(self) -> float | None:
        """The first-order estimate of the largest gain, in nats per token."""
        return None if self.norm is None else self.moved * self.norm


def unit_reach(*, moved: float, norm: float | None, step: float, bins: BinSums) -> UnitReach:
    """Return a unit's reach, with the interval of what the step gained.

    Raises:
        StatisticsError: the untrained base, or the step, was not scored.
    """
    bins.check_arms((UNTRAINED, STEP))
    try:
        floor = group_interval(bins, UNTRAINED, STEP, {})  # a step is no training
    except TooLittleText:
        floor = None
    return UnitReach(
        user=bins.user,
        moved=moved,
        norm=norm,
        step=step,
        gain=bins.mean(UNTRAINED) - bins.mean(STEP),
        floor=floor,
        bins=bins,
    )


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Which units could have met a level by help, of how many.

    ``shown`` are the units that are shown to be able to: a measured gain meets the bar with its
    lower bound. ``beyond`` are the units whose bar is above what they are estimated to reach, by
    their ceiling or, without one, by the recipe's own oracle. ``by_ceilings`` says that ceilings
    alone put the level out of reach.
    """

    level: Level
    n_required: int
    units: int
    shown: tuple[str, ...]
    beyond: tuple[str, ...]
    by_ceilings: bool

    @property
    def outcome(self) -> Outcome:
        """What is known of the level's reach."""
        if len(self.shown) >= self.n_required:
            return Outcome.WITHIN
        if self.units - len(self.beyond) < self.n_required:
            return Outcome.OUT if self.by_ceilings else Outcome.OUT_OF_RECIPE
        return Outcome.UNKNOWN


def has_reach(contrast: Contrast) -> bool:
    """Whether a unit's ratio is what the user's own text, by one method, does for its text.

    Only then does reach have a meaning. A pair's ratio is a quotient of two such.
    """
    first, *more = parse_label(contrast.denominator)
    return first.source == "real" and not more and not contrast.by_pair


def reach_of_levels(
    bet: Bet,
    effects: Sequence[Effect],
    resolved: Sequence[UserInference],
    measured: Sequence[UnitReach],
) -> tuple[Reach, ...]:
    """Return the reach of each level with a minimum ratio; empty if nothing is known of it.

    A control that itself improved the base must be beaten too. So a unit's help counts as far as
    the ratio that it would give against the control, as measured, meets the bar as well.
    """
    inferred = {one.user: one for one in resolved}
    of_unit = {one.user: one for one in measured}
    known = [one.oracle_help for one in resolved] + [*measured]
    if not has_reach(bet.contrast) or not any(known):
        return ()
    possible = [_possible(e, inferred.get(e.user), of_unit.get(e.user)) for e in effects]
    return tuple(_reach(c, possible) for c in bet.criteria if c.comparison == "at least")


def gains_shown(
    resolved: Sequence[UserInference], measured: Sequence[UnitReach]
) -> tuple[float, ...]:
    """Return what each unit's NLL is shown to be able to fall by at least, in nats per token.

    It is the larger of the lower bounds of the oracle's help and of the measured floor. A unit with
    neither is left out.
    """
    shown: dict[str, float] = {}
    found = [(one.user, one.oracle_help) for one in resolved]
    for user, interval in found + [(one.user, one.floor) for one in measured]:
        if interval is not None:
            shown[user] = max(interval.low, shown.get(user, -math.inf))
    return tuple(shown.values())


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What can be said of a bet's reach before anything is trained, of each unit and level.

    ``recipe`` and ``method`` are those of the denominator, whose distance is rate × steps.
    ``base`` is the base's name. ``planted`` says that it only proves the machinery.
    """

    bet: Bet
    base: str
    planted: bool
    recipe: Recipe
    method: str
    measured: tuple[UnitReach, ...]

    @property
    def distance(self) -> float:
        """r: how far AdamW is expected to move a value at most."""
        return self.recipe.lr * self.recipe.steps

    @property
    def has_ceiling(self) -> bool:
        """Whether the method has a first-order term at its start, for every unit."""
        return all(one.norm is not None for one in self.measured)

    @property
    def levels(self) -> tuple[Reach, ...]:
        """The reach of each level with a minimum ratio."""
        possible = [
            _Possible(one.user, _least([one.floor]), *_most(one, [])) for one in self.measured
        ]
        return tuple(_reach(c, possible) for c in self.bet.criteria if c.comparison == "at least")

    @property
    def lenient_reach(self) -> Outcome:
        """What can be said of LENIENT's reach."""
        (found,) = (one.outcome for one in self.levels if one.level is Level.LENIENT)
        return found

    def rate_needed(self, level: Level) -> float | None:
        """The learning rate from which on a level is not out of reach, at the same steps.

        Ceilings grow with the distance in proportion. It is None if too few of them grow at all.
        """
        criterion = self.bet.criterion(level)
        norms = sorted((one.norm for one in self.measured if one.norm), reverse=True)
        needed = criterion.n_required(len(self.measured))
        if len(norms) < needed:
            return None
        return math.log(criterion.threshold) / norms[needed - 1] / self.recipe.steps


@dataclass(frozen=True)
class _Possible:
    """What a unit's help could be, in nats: shown at least, and estimated at most if known.

    ``has_ceiling`` says that the estimate is a ceiling.
    """

    user: str
    least: float
    most: float | None
    has_ceiling: bool


def _possible(
    effect: Effect, inference: UserInference | None, measured: UnitReach | None
) -> _Possible:
    oracle = inference.oracle_help if inference else None
    own = inference.help if inference else None
    # points, on the very tokens that a level's ratio is taken over
    labels = (effect.contrast.denominator, effect.contrast.reach)
    gains = [gain for label in labels if (gain := _gain(effect.nll, label)) is not None]
    most, has_ceiling = _most(measured, gains)
    if most is None and oracle is not None:
        most = max([oracle.high, *gains, *([measured.gain] if measured else [])])
    over_control = min(0.0, math.log(effect.harm)) if effect.harm else 0.0
    return _Possible(
        effect.user,
        _least([oracle, own, measured.floor if measured else None]) + over_control,
        None if most is None else most + over_control,
        has_ceiling,
    )


def _most(measured: UnitReach | None, gains: Sequence[float]) -> tuple[float | None, bool]:
    """The ceiling, or a gain that proves it too low; and whether there is a ceiling."""
    if measured is None or measured.ceiling is None:
        return None, False
    return max(measured.ceiling, measured.gain, *gains), True


def _least(intervals: Sequence[Interval | None]) -> float:
    return max((one.low for one in intervals if one is not None), default=-math.inf)


def _gain(nll: Mapping[str, float], label: str) -> float | None:
    return nll[UNTRAINED] - nll[label] if {UNTRAINED, label} <= nll.keys() else None


def _reach(criterion: Criterion, possible: Sequence[_Possible]) -> Reach:
    def meets(nats: float) -> bool:
        return criterion.is_met_by(math.exp(min(nats, LARGEST_NLL)))

    beyond = [one for one in possible if one.most is not None and not meets(one.most)]
    units, n_required = len(possible), criterion.n_required(len(possible))
    return Reach(
        level=criterion.level,
        n_required=n_required,
        units=units,
        shown=tuple(one.user for one in possible if meets(one.least)),
        beyond=tuple(one.user for one in beyond),
        by_ceilings=units - sum(one.has_ceiling for one in beyond) < n_required,
    )
