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

if TYPE_CHECKING:  # a verdict has findings, so its module imports this one
    from .judging import Verdict


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What tests and intervals show. A verdict of point estimates has few findings.

    The tests take units for independent, which only users are. If a bet counts cells or pairs, the
    findings are therefore empty or None, except for ``helped`` and ``claimable``.

    Attributes:
        alpha: the level of significance of every test here.
        won: users with a difference shown in favour of the treatment (Δ's interval is above 0).
        lost: users with a difference shown in favour of the control (Δ's interval is below 0).
        not_shown: users with an interval of Δ that includes 0.
        helped: units whose treatment is shown to improve the base (help's lower bound is above 1).
        slices_differ_ratio: users whose slices differ in the ratio, by Welch's test.
        slices_differ_help: users whose slices differ in help. Empty if the ratio is help alone.
        below_level: users with a shown effect, if the verdict's level is below LENIENT.
        users_p: one-sided sign-flip p value across users. None without intervals.
        users_p_exact: whether ``users_p`` is exact, and not from random draws.
        users_p_least_users: the fewest users for which ``users_p`` can fall below ``alpha``.
        coin_flip_rates: for each level with a threshold of 1, how often it holds if each user's
            sign is a coin toss. Empty if a condition is the best of several.
        claimable: what a claim may assert.
    """

    alpha: float = ALPHA
    won: tuple[str, ...]
    lost: tuple[str, ...]
    not_shown: tuple[str, ...]
    helped: tuple[str, ...]
    slices_differ_ratio: tuple[str, ...]
    slices_differ_help: tuple[str, ...]
    below_level: tuple[str, ...]
    users_p: float | None
    users_p_exact: bool
    users_p_least_users: int | None
    coin_flip_rates: Mapping[Level, float]
    claimable: tuple[str, ...]


def find(verdict: Verdict, claimable: tuple[str, ...]) -> Findings:
    """Return what a verdict shows, given what may be claimed on it."""
    by_user, users = verdict.bet.contrast.by_user, len(verdict.effects)
    tested = verdict.resolved if by_user else ()
    shown = [one for one in tested if one.delta.low > 0 or one.delta.high < 0]
    has_harm = verdict.bet.contrast.numerator != UNTRAINED
    return Findings(
        won=_users(one for one in shown if one.delta.estimate > 0),
        lost=_users(one for one in shown if one.delta.estimate < 0),
        not_shown=_users(one for one in tested if one not in shown),
        helped=verdict.helped,
        slices_differ_ratio=_users(one for one in tested if _is_small(one.slices_p)),
        slices_differ_help=_users(
            one for one in tested if has_harm and _is_small(one.slices_help_p)
        ),
        below_level=_users(
            one
            for one in shown
            if verdict.level < Level.LENIENT and one.delta.low > 0 and one.user in verdict.helped
        ),
        users_p=across_users([effect.delta for effect in verdict.effects]) if tested else None,
        users_p_exact=bool(tested) and 2**users <= FLIPS,
        users_p_least_users=users_needed() if tested else None,
        coin_flip_rates=_coin_flip_rates(verdict.bet, users),
        claimable=claimable,
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
