"""The p value of what a claim asserts, from a verdict's intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_noisefloor.stats import Interval

from .bet import Level

if TYPE_CHECKING:
    from .judging import Verdict


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


def _p(interval: Interval | None, sign: int) -> float:
    """Return the two-sided p value of no difference; 1 if the estimate has another sign."""
    from scipy import stats

    if interval is None or sign * interval.estimate <= 0:
        return 1.0
    if interval.se == 0:
        return 0.0
    return 2 * float(stats.t.sf(abs(interval.estimate) / interval.se, interval.df))


def _partial_conjunction(ps: list[float], needed: int) -> float:
    """Return the p value of fewer than ``needed`` effects among all: (N − u + 1) p_(u)."""
    return min(1.0, (len(ps) - needed + 1) * sorted(ps)[needed - 1])
