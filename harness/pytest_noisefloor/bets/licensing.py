"""What may be claimed on a verdict. It takes more than the level, which rests on points alone."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

from pytest_noisefloor.stats import ALPHA

from .bet import Level

if TYPE_CHECKING:  # a verdict's findings say what it licenses, so its module imports this one
    from pytest_noisefloor.stats import Interval

    from .judging import Verdict

ABSENT = "ABSENT"
ASSERTIONS = ("STRICT", "LENIENT", "NOT_MET", ABSENT, "CATASTROPHIC")
"""What a claim can assert."""

ABSENT_RATIO = 1.1
"""ABSENT says that no user's ratio is as far from 1 as this, whatever the bars of the bet."""

MARGIN = math.log(ABSENT_RATIO)
"""The same in nats per token: the margin of the equivalence tests."""


class WhyNotAbsent(StrEnum):
    """Why it may not be claimed that a gain is absent. ``NOTHING`` if it may."""

    NOTHING = ""
    NO_RANDOM_CONTROL = "no random control"
    NO_INTERVALS = "no intervals"
    ONE_TRAINING = "the spread of trainings is not known"
    TOO_WIDE = "an interval is too wide"
    NO_REACH = "no reach"


def claimable(verdict: Verdict) -> tuple[str, ...]:
    """Return what a claim may assert on this verdict: level names, and ABSENT.

    LENIENT and STRICT need as many users as the level who meet its bar and are ``gaining``. As many
    of these must meet it with help in place of the ratio, or it rests on harm by the control.
    CATASTROPHIC needs as many who are ``losing``. The p value of so many among all users must be
    below ALPHA: among many users without an effect, a few look as if they had one.

    NOT_MET says that LENIENT is not shown, and holds wherever no level may be claimed. ABSENT needs
    the random control, every user's interval within ABSENT_RATIO of 1, and a ratio as large within
    reach: a design that cannot see an effect shows nothing by seeing none.
    """
    levels = [
        level
        for level in (Level.LENIENT, Level.STRICT, Level.CATASTROPHIC)
        if _is_licensed(verdict, level)
    ]
    names = [level.name for level in levels]
    if not levels:
        names.append(Level.NOT_MET.name)
        if why_not_absent(verdict) is WhyNotAbsent.NOTHING:
            names.append(ABSENT)
    return tuple(names)


def gaining(verdict: Verdict) -> tuple[str, ...]:
    """Units whose text is shown to beat the control and to improve the base.

    The intervals that show it have the spread of trainings in them: two adapters of one arm differ
    too.
    """
    return tuple(one.user for one in verdict.resolved if _is_above(one.delta, one.help))


def losing(verdict: Verdict) -> tuple[str, ...]:
    """Units whose text is shown to lose to the control, with the spread of trainings."""
    return tuple(
        one.user for one in verdict.resolved if one.delta.of_trainings and one.delta.high < 0
    )


def bar_is_shown(verdict: Verdict, level: Level) -> bool:
    """Return whether a level's bar lies below the intervals of as many users as it needs.

    If it does not, their ratios are only shown to be above 1.
    """
    criterion, users = verdict.bet.criterion(level), gaining(verdict)
    lows = [math.exp(one.delta.low) for one in verdict.resolved if one.user in users]
    return sum(map(criterion.is_met_by, lows)) >= criterion.n_required(len(verdict.effects))


def why_not_absent(verdict: Verdict) -> WhyNotAbsent:
    """Return why ABSENT may not be claimed."""
    intervals = [one.delta for one in verdict.resolved]
    if not verdict.bet.controlled:
        return WhyNotAbsent.NO_RANDOM_CONTROL
    if len(intervals) < len(verdict.effects):
        return WhyNotAbsent.NO_INTERVALS
    if not verdict.reaches(ABSENT_RATIO):
        return WhyNotAbsent.NO_REACH
    if any(one.low <= -MARGIN or one.high >= MARGIN for one in intervals):
        return WhyNotAbsent.TOO_WIDE
    if not all(one.of_trainings for one in intervals):
        return WhyNotAbsent.ONE_TRAINING
    return WhyNotAbsent.NOTHING


def assertion_p(verdict: Verdict, asserts: str) -> float | None:
    """Return the p value of an assertion on this verdict, or None for NOT_MET, which has none.

    A user's p value is two-sided if the estimate lies in the asserted direction, and 1 otherwise.
    For LENIENT and STRICT it is the larger of those of Δ above 0 and of help above 1. For
    CATASTROPHIC it is that of Δ below 0. A user without an interval has p = 1.

    A level asserts something of u of N users, so its p value is that of the partial conjunction:
    (N − u + 1) times the u-th smallest (Benjamini & Heller 2008, Biometrics 64:1215, which holds
    under any dependence between users). ABSENT asserts something of every user, so its p value is
    the largest equivalence p value.
    """
    if asserts == Level.NOT_MET.name:
        return None
    resolved = {one.user: one for one in verdict.resolved}
    users = [resolved.get(effect.user) for effect in verdict.effects]
    if asserts not in Level.__members__:
        return max(1.0 if one is None else one.equivalence_p for one in users)
    level = Level[asserts]
    if level is Level.CATASTROPHIC:
        ps = [1.0 if one is None else _p(one.delta, -1) for one in users]
    else:
        ps = [1.0 if one is None else max(_p(one.delta, 1), _p(one.help, 1)) for one in users]
    return _partial_conjunction(ps, verdict.bet.criterion(level).n_required(len(ps)))


def _is_licensed(verdict: Verdict, level: Level) -> bool:
    """Return whether LENIENT, STRICT or CATASTROPHIC is met by users on whom it is shown."""
    criterion = verdict.bet.criterion(level)
    needed = criterion.n_required(len(verdict.effects))
    shown = losing(verdict) if level is Level.CATASTROPHIC else gaining(verdict)
    users = {*shown} & {*verdict.met[level]}
    if level is not Level.CATASTROPHIC:
        users &= {e.user for e in verdict.effects if e.help and criterion.is_met_by(e.help)}
    return len(users) >= needed and (assertion_p(verdict, level.name) or 0.0) < ALPHA


def _is_above(*intervals: Interval | None) -> bool:
    return all(one is not None and one.of_trainings and one.low > 0 for one in intervals)


def _p(interval: Interval | None, sign: int) -> float:
    """Return the two-sided p value of no difference; 1 if the estimate has another sign."""
    return interval.p if interval is not None and sign * interval.estimate > 0 else 1.0


def _partial_conjunction(ps: list[float], needed: int) -> float:
    """Return the p value of fewer than ``needed`` effects among all: (N − u + 1) p_(u)."""
    return min(1.0, (len(ps) - needed + 1) * sorted(ps)[needed - 1])
