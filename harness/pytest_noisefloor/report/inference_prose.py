"""Describe in plain words what intervals, tests, reach and error rates say about a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_noisefloor.bets import Level, Reach, Verdict, is_best_of, rate_bounds
from pytest_noisefloor.stats import ALPHA, FLIPS, UserInference, across_users, users_needed

from .labels import (
    LEVELS,
    SHOWN,
    control,
    has_harm,
    has_reach,
    name_or_count,
    names,
    quotient,
    treatment,
)


def shown_of_users(verdict: Verdict) -> list[str]:
    """Say what intervals and tests show for each user and for all users together."""
    return [
        *(_measured(verdict, one) for one in verdict.resolved[:SHOWN]),
        interval_footnote(verdict),
        *_where(verdict),
        *_who_won(verdict),
        _across(verdict),
        _detectable(verdict),
        _who_was_helped(verdict),
    ]


def shown_of_cells(verdict: Verdict) -> list[str]:
    """Say how many cells' ratios are resolved, and why nothing is said about all cells together."""
    cells = len(verdict.effects)
    helped = (
        f"{treatment(verdict)} made the base better, resolved, in {len(verdict.helped)} of {cells}"
    )
    return [
        f"The ratio is resolved above 1 in {len(verdict.won)} of {cells} cells and below 1 in "
        f"{len(verdict.lost)}; {helped}.",
        interval_footnote(verdict),
        "Cells share users and adapters, so no test across them and no rate of chance is given: "
        "for their signs and the split of the variance see `noisefloor summary`.",
    ]


def interval_footnote(verdict: Verdict) -> str:
    """Say what the intervals rest on, and what they do not cover."""
    blocks = [
        interval.blocks
        for one in verdict.resolved
        for interval in (one.delta, one.harm, one.help, one.oracle, one.oracle_help)
        if interval is not None
    ]
    by_cell = verdict.bet.contrast.by_cell
    unknown = [one.user for one in verdict.resolved if one.help is None]
    whom = f"{len(unknown)} cells" if by_cell else names(unknown)
    missing = (
        f" For {whom} too few independent blocks are left for an interval of help."
        if unknown
        else ""
    )
    if verdict.short:
        missing += (
            f" Too little held-out text for any interval: {name_or_count(verdict.short, verdict)}."
        )
    seeds = verdict.resolved[0].delta.seeds
    scope = (
        "conditional on each cell's adapters and text"
        if by_cell
        else "conditional on these adapters and texts: one seed says nothing of another training"
        if seeds == 1
        else f"conditional on these texts, with the spread over {seeds} seeds"
    )
    return (
        f"95 % intervals, each by itself, rest on {min(blocks)} blocks or more, {scope}.{missing}"
    )


def reach_in_words(verdict: Verdict) -> list[str]:
    """Say what was within reach, if the oracle's adapter can tell."""
    if not has_reach(verdict.bet.contrast):
        return []
    if not verdict.reach:
        return ["What was reachable is not known."]
    return [_reach(verdict, reach) for reach in verdict.reach]


def error_rates_in_words(verdict: Verdict) -> str:
    """Say how often each level would come if every true ratio were 1, or a level's threshold."""
    if not verdict.error_rates:
        return "How often this bet errs by chance is not known, since not all users have intervals."
    null = next(s for s in verdict.error_rates if s.ratio == 1)
    parts = []
    for level in LEVELS:
        low, high = rate_bounds(null.counts[level], null.trials)
        parts.append(
            f"{level.name} in {null.counts[level] / null.trials:.1%} [{low:.1%}, {high:.1%}]"
        )
    power = [
        f"{c.level.name} in {_share(scenario.counts, c.level, scenario.trials)} at "
        f"{scenario.ratio:g}"
        for scenario in verdict.error_rates
        for c in sorted(verdict.bet.criteria, key=lambda c: c.level)
        if scenario.ratio != 1 and c.comparison == "at least" and c.threshold == scenario.ratio
    ]
    at_bar = f"; were it a level's bar, {', '.join(power)}" if power else ""
    return (
        f"Were every true ratio 1, this bet would still say {', '.join(parts)} of repetitions"
        f"{at_bar}. {_noise(verdict)}"
    )


def without_margin(verdict: Verdict) -> list[str]:
    """Say how often chance alone meets a level whose threshold is 1, whatever the noise.

    Nothing is said unless the units are users, because only users' signs are independent coin
    tosses. Nothing is said either if the best of several adapters was chosen, because then a sign
    is not a coin toss.
    """
    contrast = verdict.bet.contrast
    if not contrast.by_user or any(map(is_best_of, contrast.compared)):
        return []
    users = len(verdict.effects)
    words = []
    for c in verdict.bet.criteria:
        if c.threshold == 1:
            tosses = sum(math.comb(users, k) for k in range(c.n_required(users), users + 1))
            words.append(
                f"{c.level.name} has no margin: without any difference, chance alone brings it in "
                f"{tosses / 2**users:.0%} of repetitions, whatever the noise."
            )
    return words


def _share(counts: dict[Level, int], least: Level, trials: int) -> str:
    return f"{sum(n for level, n in counts.items() if level >= least) / trials:.0%}"


def _noise(verdict: Verdict) -> str:
    """Say whether the error rates include the spread between seeds and the choice of the best."""
    if any(map(is_best_of, verdict.bet.contrast.compared)):
        return "That the best of several was chosen is in none of these rates."
    if verdict.resolved[0].delta.seeds == 1:
        return (
            "One seed shows no spread between trainings, so LENIENT and STRICT come by chance at "
            "least so often."
        )
    a_a = [one.aa_sd for one in verdict.resolved if one.aa_sd is not None]
    if not a_a:
        return f"Their noise includes that between seeds of {treatment(verdict)}."
    return (
        f"Their noise includes that between seeds: two adapters of {control(verdict)} with "
        f"different seeds (A/A) differ by up to {max(a_a):.2g} nats per token, one standard "
        "deviation."
    )


def _measured(verdict: Verdict, one: UserInference) -> str:
    """Give one user's quotients with their intervals."""
    if not has_harm(verdict.bet.contrast):
        return f"For {one.user} the ratio, which is help alone, is {quotient(one.delta)}."
    return (
        f"For {one.user} the ratio is {quotient(one.delta)}: harm {quotient(one.harm)} × help "
        f"{quotient(one.help)}."
    )


def _where(verdict: Verdict) -> list[str]:
    """Say whose slices differ among themselves, so that the result is not about other text."""

    def few(p: float | None) -> bool:
        return p is not None and p < ALPHA

    ratio = [one.user for one in verdict.resolved if few(one.slices_p)]
    help_ = [one.user for one in verdict.resolved if few(one.slices_help_p)]
    differ = [("the ratio", ratio), *([("help", help_)] if has_harm(verdict.bet.contrast) else [])]
    said = " and ".join(f"in {what} for {names(users)}" for what, users in differ if users)
    if not said:
        return []
    return [
        f"By more than their tokens explain (Welch, p below {ALPHA:g} each), slices differ {said}: "
        "what is shown there is of these slices, not of more text like them."
    ]


def _who_won(verdict: Verdict) -> list[str]:
    """Say whose text won or lost beyond chance (after Holm), and for whom nothing is shown."""
    shown = [one for one in verdict.resolved if one.holm < ALPHA]
    won = [one.user for one in shown if one.delta.estimate > 0]
    lost = [one.user for one in shown if one.delta.estimate < 0]
    open_ = [one.user for one in verdict.resolved if one not in shown]
    words = []
    if won:
        words.append(
            f"For these adapters, beyond chance, {treatment(verdict)} beat {control(verdict)} for "
            f"{names(won)}."
        )
    if lost:
        words.append(
            f"For these adapters, beyond chance, {control(verdict)} beat {treatment(verdict)} for "
            f"{names(lost)}."
        )
    if open_:
        words.append(f"No difference between these adapters is shown for {names(open_)}.")
    users = len(verdict.effects)
    if users >= ALPHA * (FLIPS + 1):
        words.append(
            f"Of {users} users none could be shown: the least p of {FLIPS + 1} tosses, adjusted "
            f"for so many, is {min(1.0, users / (FLIPS + 1)):g}."
        )
    return words


def _across(verdict: Verdict) -> str:
    p = across_users([effect.delta for effect in verdict.effects])
    users = len(verdict.effects)
    exact = "exact " if 2**users <= FLIPS else ""
    return (
        f"Across {users} user{'s' if users > 1 else ''} the {exact}sign-flip p, one-sided, is "
        f"{p:.3g}; below {ALPHA:g} it cannot fall with fewer than {users_needed()} users."
    )


def _detectable(verdict: Verdict) -> str:
    least = names([f"{one.user} {math.exp(one.mde):.4f}" for one in verdict.resolved])
    return f"The least ratio that one test of this design detects with 80 % power: {least}."


def _who_was_helped(verdict: Verdict) -> str:
    if not verdict.helped:
        return f"For no user is it shown that {treatment(verdict)} made the base better."
    least = names(
        [
            f"{one.user} (help at least {math.exp(one.help.low):.4f})"
            for one in verdict.resolved
            if one.help is not None and one.user in verdict.helped
        ]
    )
    return f"That {treatment(verdict)} made the base better is resolved for {least}."


def _reach(verdict: Verdict, reach: Reach) -> str:
    def count(met: Sequence[str], unknown: Sequence[str]) -> str:
        not_known = f", {len(unknown)} not known" if unknown else ""
        return f"{len(met)} of {len(verdict.effects)}{not_known}"

    by_help = (
        f", by help alone {reach.outcome_by_help} ({count(reach.by_help, reach.open_help)})"
        if has_harm(verdict.bet.contrast)
        else ""
    )
    return (
        f"Reach of {reach.level.name} ({reach.n_required} needed), were the adapters trained on "
        f"the held-out text itself: {reach.outcome} "
        f"({count(reach.by_ratio, reach.open_ratio)}){by_help}."
    )
