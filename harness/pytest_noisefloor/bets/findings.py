"""What a verdict shows beyond its level, decided once, before anything is put in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_noisefloor.specs import UNTRAINED
from pytest_noisefloor.stats import ALPHA, FLIPS, UserInference, across_users, users_needed

from .bet import Bet, Level
from .conditions import is_best_of
from .licensing import WhyNotAbsent, bar_is_shown, claimable, gaining, losing, why_not_absent

if TYPE_CHECKING:  # a verdict has findings, so its module imports this one
    from .judging import Verdict


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What intervals and tests show. A verdict of point estimates has few findings.

    The tests of slices, across users and of coin flips take units for independent, which only
    users are. If a bet counts cells or pairs, these are therefore empty or None.

    Attributes:
        alpha: the level of significance of every test here.
        won: units whose ratio is shown to be above 1 (Δ's lower bound is above 0).
        lost: units whose ratio is shown to be below 1 (Δ's upper bound is below 0).
        not_shown: units with an interval that shows neither.
        helped: units whose treatment is shown to improve the base (help's lower bound is above 1).
        of_adapters: units whose interval of Δ lacks the spread of trainings: what it shows is of
            these adapters.
        slices_differ_ratio: users whose slices differ in the ratio, by Welch's test.
        slices_differ_help: users whose slices differ in help. Empty if the ratio is help alone.
        below_level: users who won and were helped, if the verdict's level is below LENIENT.
        users_p: one-sided sign-flip p value across users. None without intervals.
        users_p_exact: whether ``users_p`` is exact, and not from random draws.
        users_p_least_users: the fewest users for which ``users_p`` can fall below ``alpha``.
        coin_flip_rates: for each level with a threshold of 1, how often it holds if each user's
            sign is a coin toss. Empty if a condition is the best of several.
        gaining: units shown, with the spread of trainings, to beat the control and to improve the
            base.
        losing: units shown, with the spread of trainings, to lose to the control.
        claimable: what a claim may assert.
        why_not_absent: why ABSENT may not be claimed; empty if it may.
        bar_shown: levels among these whose bar lies below the intervals of as many users as they
            need. Of the others, ratios are only shown to be above 1.
    """

    alpha: float = ALPHA
    won: tuple[str, ...]
    lost: tuple[str, ...]
    not_shown: tuple[str, ...]
    helped: tuple[str, ...]
    of_adapters: tuple[str, ...]
    slices_differ_ratio: tuple[str, ...]
    slices_differ_help: tuple[str, ...]
    below_level: tuple[str, ...]
    users_p: float | None
    users_p_exact: bool
    users_p_least_users: int | None
    coin_flip_rates: Mapping[Level, float]
    gaining: tuple[str, ...]
    losing: tuple[str, ...]
    claimable: tuple[str, ...]
    why_not_absent: WhyNotAbsent
    bar_shown: tuple[str, ...]


def find(verdict: Verdict) -> Findings:
    """Return what a verdict shows."""
    users = len(verdict.effects)
    tested = verdict.resolved if verdict.bet.contrast.by_user else ()
    has_harm = verdict.bet.contrast.numerator != UNTRAINED
    won, lost, helped = verdict.won, verdict.lost, verdict.helped
    allowed = claimable(verdict)
    return Findings(
        won=won,
        lost=lost,
        not_shown=_users(one for one in verdict.resolved if one.user not in (*won, *lost)),
        helped=helped,
        of_adapters=_users(one for one in verdict.resolved if not one.delta.of_trainings),
        slices_differ_ratio=_users(one for one in tested if _is_small(one.slices_p)),
        slices_differ_help=_users(
            one for one in tested if has_harm and _is_small(one.slices_help_p)
        ),
        below_level=_users(
            one
            for one in tested
            if verdict.level < Level.LENIENT and one.user in won and one.user in helped
        ),
        users_p=across_users([effect.delta for effect in verdict.effects]) if tested else None,
        users_p_exact=bool(tested) and 2**users <= FLIPS,
        users_p_least_users=users_needed() if tested else None,
        coin_flip_rates=_coin_flip_rates(verdict.bet, users),
        gaining=gaining(verdict),
        losing=losing(verdict),
        claimable=allowed,
        why_not_absent=why_not_absent(verdict),
        bar_shown=tuple(
            level.name
            for level in (Level.LENIENT, Level.STRICT)
            if level.name in allowed and bar_is_shown(verdict, level)
        ),
    )


def _users(units: Iterable[UserInference]) -> tuple[str, ...]:
    return tuple(one.user for one in units)


def _is_small(p: float | None) -> bool:
    return p is not None and p < ALPHA


def _coin_flip_rates(bet: Bet, users: int) -> dict[Level, float]:
    """Return how often coin tosses meet each level whose threshold is 1, whatever the noise.

    Only users' signs are independent coin tosses. The sign is no coin toss either if the best of
    several adapters was chosen.
    """
    if not bet.contrast.by_user or any(map(is_best_of, bet.contrast.compared)):
        return {}
    return {
        c.level: sum(math.comb(users, k) for k in range(c.n_required(users), users + 1)) / 2**users
        for c in bet.criteria
        if c.threshold == 1
    }
