"""What chance does to a verdict, in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .bets import Level
from .conditions import in_words
from .errorrates import bounds
from .inference import ALPHA, FLIPS, across_users, users_needed
from .judge import Verdict

SHOWN = 20
"""Users that are shown or named one by one; of more the result file has all."""


def across(verdict: Verdict) -> list[str]:
    """The exact test across users; nothing of the kind for cells."""
    if verdict.bet.statistic.by_cell:
        return [
            "Cells share users, adapters and slices, so no probability across them stands here; "
            "python -m pytest_noisefloor summary has their signs and the split of their variance."
        ]
    p = across_users([effect.delta for effect in verdict.effects])
    users = len(verdict.effects)
    exact = "exact " if 2**users <= FLIPS else ""
    return [
        f"Across {users} user{'s' if users > 1 else ''} the {exact}sign-flip p, one-sided, is "
        f"{p:.3g}; below {ALPHA:g} it cannot fall with fewer than {users_needed()} users."
    ]


def detectable(verdict: Verdict) -> list[str]:
    """The least ratios that the design detects."""
    if verdict.bet.statistic.by_cell:
        return []
    least = names([f"{one.user} {math.exp(one.detectable):.4f}" for one in verdict.resolved])
    return [f"The least ratio that this design detects with 80 % power: {least}."]


def error_rates(verdict: Verdict) -> list[str]:
    """What the bet would say of repetitions at known ratios."""
    if verdict.bet.statistic.by_cell:
        return []
    null = next(s for s in verdict.error_rates if s.ratio == 1)
    parts = []
    for level in (Level.CATASTROPHIC, Level.LENIENT, Level.STRICT):
        low, high = bounds(null.counts[level], null.trials)
        parts.append(
            f"{level.name} in {null.counts[level] / null.trials:.1%} [{low:.1%}, {high:.1%}]"
        )
    power = []
    for scenario in verdict.error_rates:
        if scenario.ratio > 1:
            least = min(
                c.level
                for c in verdict.bet.criteria
                if c.comparison == "at least" and c.bar == scenario.ratio
            )
            count = sum(n for level, n in scenario.counts.items() if level >= least)
            power.append(f"{least.name} in {count / scenario.trials:.0%} at {scenario.ratio:g}")
    were = f"; were it a level's bar, {', '.join(power)}" if power else ""
    a_a = [one.a_a for one in verdict.resolved if one.a_a is not None]
    noise = (
        f" Their noise includes that between seeds: two adapters of {control(verdict)} with "
        f"different seeds (A/A) differ by up to {max(a_a):.2g} nats per token, one standard "
        "deviation."
        if a_a
        else " One seed shows no spread between trainings, so these rates are a lower bound on "
        "chance."
    )
    return [
        f"Were every true ratio 1, this bet would still say {', '.join(parts)} of "
        f"repetitions{were}.{noise}"
    ]


def without_margin(verdict: Verdict) -> list[str]:
    """What a level whose bar is no difference at all does without any, whatever the noise."""
    users = len(verdict.effects)
    words: list[str] = []
    for c in () if verdict.bet.statistic.by_cell else verdict.bet.criteria:
        if c.comparison == "below" and c.bar == 1:
            tosses = sum(math.comb(users, k) for k in range(c.needed(users), users + 1))
            words.append(
                f"{c.level.name} has no margin: without any difference, chance alone brings it in "
                f"{tosses / 2**users:.0%} of repetitions, whatever the noise."
            )
    return words


def own(verdict: Verdict) -> str:
    """What stands in the denominator."""
    return in_words(verdict.bet.statistic.denominator)


def control(verdict: Verdict) -> str:
    """What stands in the numerator."""
    return in_words(verdict.bet.statistic.numerator)


def names(users: Sequence[str]) -> str:
    """Users, each with what is said of it, in a row; of many the first."""
    more = f" and {len(users) - SHOWN} more" if len(users) > SHOWN else ""
    return ", ".join(users[:SHOWN]) + more
