"""A verdict in plain words, each from the numbers: what was found, and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .bets import Criterion, Level
from .conditions import in_words
from .errorrates import bounds
from .inference import ALPHA, FLIPS, Resolved, across_users, users_needed
from .intervals import Interval
from .judge import ABSENT, Reach, Verdict, supported
from .statistics import Effect

SHOWN = 20
"""Users that are shown or named one by one; of more the result file has all."""


def paragraph(verdict: Verdict) -> str:
    """The verdict in plain words, each from the numbers."""
    mark = "PLANTED" if verdict.planted else verdict.bet.mark
    words = [f"{mark} {verdict.level.name.replace('_', ' ')}.".lstrip()]
    words += [criterion_sentence(verdict, criterion) for criterion in verdict.bet.criteria]
    words += _other_design(verdict)
    inverted = [e for e in verdict.effects if e.delta < 0]
    words += [
        f"Inversion: for {e.user}, {_control(verdict)} beat {_own(verdict)} by "
        f"{1 / e.ratio - 1:.2%}."
        for e in inverted[:SHOWN]
    ]
    if len(inverted) > SHOWN:
        words.append(f"Inversions in all: {len(inverted)} of {len(verdict.effects)}.")
    if any(e.help is None for e in verdict.effects):
        words.append(
            f"The untrained base's perplexity is unknown, and with it whether {_own(verdict)} "
            f"helped or {_control(verdict)} did harm."
        )
    if verdict.resolved:
        words += [
            *map(_measured, verdict.resolved[:SHOWN]),
            _certainty(verdict),
            *_who_won(verdict),
            _across(verdict),
            _detectable(verdict),
            _who_was_helped(verdict),
        ]
        words += [_reach(reach, len(verdict.effects)) for reach in verdict.reach]
        words += [] if verdict.reach else ["What was reachable is not known."]
    else:
        words += [_harm_and_help(verdict, e) for e in verdict.effects[:SHOWN] if e.help is not None]
        allowed = supported(verdict)
        but = f" but {_names(allowed)}" if allowed else ""
        words.append(
            f"Point estimates only, so nothing may be claimed{but}. {verdict.unresolved}".strip()
        )
    words += [
        f"{level.name} rests on harm: with help in place of the ratio it would not be met."
        for level in verdict.rests_on_harm
    ]
    words += _without_margin(verdict)
    if verdict.resolved:
        words += [_error_rates(verdict), *may_be_said(verdict)]
    return " ".join(words)


def criterion_sentence(verdict: Verdict, criterion: Criterion) -> str:
    """Whether a criterion's condition holds, with the ratio that each user had."""
    users = len(verdict.effects)
    met = verdict.met[criterion.level]
    needed = criterion.needed(users)
    ratios = _names([f"{e.user} {e.ratio:.4f}" for e in verdict.effects])
    outcome = "holds" if len(met) >= needed else "does not hold"
    return (
        f"{criterion.level.name} (ratio {criterion.comparison} {criterion.bar:g} on {needed} of "
        f"{users}) {outcome}: {len(met)} of {users} ({ratios})."
    )


def criterion(verdict: Verdict, level: Level) -> Criterion:
    """The criterion of a level."""
    return next(c for c in verdict.bet.criteria if c.level == level)


def may_be_said(verdict: Verdict) -> list[str]:
    """What a claim may assert, and what must not be read into the verdict."""
    words = []
    allowed = supported(verdict)
    if verdict.level > Level.NOT_MET and verdict.level.name not in allowed:
        words.append(
            f"{verdict.level.name} may not be claimed: on "
            f"{_names(_not_helped(verdict, verdict.level))} it is not shown that {_own(verdict)} "
            f"made the base better, and harm by {_control(verdict)} is no personalisation."
        )
    if allowed:
        seeds = verdict.resolved[0].delta.seeds if verdict.resolved else 1
        adapters = "these adapters (one seed)" if seeds == 1 else f"adapters of {seeds} seeds"
        words.append(
            f"May be claimed, of {adapters}, these users, this base and recipe: {_names(allowed)}."
        )
    if verdict.level < Level.LENIENT and ABSENT not in allowed:
        lenient = next((r for r in verdict.reach if r.level == Level.LENIENT), None)
        why = (
            "LENIENT was out of reach, so missing it shows nothing of the text"
            if lenient is not None and lenient.within is False
            else "not every user is shown to lie within LENIENT's bar"
            if lenient is not None and lenient.within
            else "what was reachable is not known"
        )
        words.append(f"That personalisation is absent may not be claimed: {why}.")
    small = [
        one.user
        for one in verdict.resolved
        if one.delta.low > 0 and one.holm < ALPHA and one.user in verdict.helped
    ]
    if small and verdict.level < Level.LENIENT:
        words.append(
            f"For these adapters an effect below the registered levels is shown for "
            f"{_names(small)}: {_own(verdict)} beat {_control(verdict)} and made the base better."
        )
    return words


def _not_helped(verdict: Verdict, level: Level) -> list[str]:
    return [user for user in verdict.met[level] if user not in verdict.helped]


def quotient(interval: Interval | None) -> str:
    """An interval as a quotient of perplexities with its bounds; a dash where there is none."""
    if interval is None:
        return "–"
    estimate, low, high = interval.ratios
    return f"{estimate:.4f} [{low:.4f}, {high:.4f}]"


def within(reached: bool | None) -> str:
    """Whether a level was within reach, in words; None where that is not known."""
    return "unknown" if reached is None else "within reach" if reached else "out of reach"


def _own(verdict: Verdict) -> str:
    return in_words(verdict.bet.statistic.denominator)


def _control(verdict: Verdict) -> str:
    return in_words(verdict.bet.statistic.numerator)


def _other_design(verdict: Verdict) -> list[str]:
    """In what this is not the design that the bet registers."""
    bet, words = verdict.bet, []
    if {e.user for e in verdict.effects} != set(bet.users):
        words.append(f"These are not the users that the bet registers ({_names(bet.users)}).")
    seeds = verdict.resolved[0].delta.seeds if verdict.resolved else len(bet.seeds)
    if seeds != len(bet.seeds):
        words.append(
            f"{seeds} seeds stand where the bet registers {len(bet.seeds)}: if they were added "
            "after a look at the results, no probability below holds."
        )
    return words


def _measured(one: Resolved) -> str:
    """One user's quotients with their intervals."""
    return (
        f"For {one.user} the ratio is {quotient(one.delta)}: harm {quotient(one.harm)} × help "
        f"{quotient(one.help)}."
    )


def _harm_and_help(verdict: Verdict, effect: Effect) -> str:
    """What the two arms did to the base, for a user whose untrained score is known."""
    assert effect.harm is not None  # noqa: S101 (for the type checker; the caller chose)
    assert effect.help is not None  # noqa: S101
    return (
        f"For {effect.user} {_own(verdict)} changed the base's perplexity by "
        f"{1 / effect.help - 1:+.2%}, {_control(verdict)} by {effect.harm - 1:+.2%}."
    )


def _certainty(verdict: Verdict) -> str:
    blocks = [
        interval.blocks
        for one in verdict.resolved
        for interval in (one.delta, one.harm, one.help, one.oracle, one.oracle_help)
        if interval is not None
    ]
    unknown = [one.user for one in verdict.resolved if one.help is None]
    missing = (
        f" For {_names(unknown)} too few independent blocks are left for an interval of help."
        if unknown
        else ""
    )
    seeds = verdict.resolved[0].delta.seeds
    scope = (
        "conditional on these adapters and texts: one seed says nothing of another training"
        if seeds == 1
        else f"with the spread over {seeds} seeds"
    )
    return (
        f"95 % intervals, each by itself, rest on {min(blocks)} blocks or more, {scope}.{missing}"
    )


def _who_won(verdict: Verdict) -> list[str]:
    """Beyond chance, after Holm: whose text won, whose lost, and where nothing is shown."""
    shown = [one for one in verdict.resolved if one.holm < ALPHA]
    won = [one.user for one in shown if one.delta.estimate > 0]
    lost = [one.user for one in shown if one.delta.estimate < 0]
    open_ = [one.user for one in verdict.resolved if one not in shown]
    words = []
    if won:
        words.append(
            f"For these adapters, beyond chance, {_own(verdict)} beat {_control(verdict)} for "
            f"{_names(won)}."
        )
    if lost:
        words.append(
            f"For these adapters, beyond chance, {_control(verdict)} beat {_own(verdict)} for "
            f"{_names(lost)}."
        )
    if open_:
        words.append(f"No difference between these adapters is shown for {_names(open_)}.")
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
    least = _names([f"{one.user} {math.exp(one.detectable):.4f}" for one in verdict.resolved])
    return f"The least ratio that this design detects with 80 % power: {least}."


def _who_was_helped(verdict: Verdict) -> str:
    if not verdict.helped:
        return f"For no user is it shown that {_own(verdict)} made the base better."
    bounds = _names(
        [
            f"{one.user} (help at least {math.exp(one.help.low):.4f})"
            for one in verdict.resolved
            if one.help is not None and one.user in verdict.helped
        ]
    )
    return f"That {_own(verdict)} made the base better is resolved for {bounds}."


def _reach(reach: Reach, users: int) -> str:
    def count(met: Sequence[str], unknown: Sequence[str]) -> str:
        not_known = f", {len(unknown)} not known" if unknown else ""
        return f"{len(met)} of {users}{not_known}"

    return (
        f"Reach of {reach.level.name} ({reach.needed} needed), were the adapters trained on the "
        f"held-out text itself: {within(reach.within)} "
        f"({count(reach.by_ratio, reach.open_ratio)}), by help alone {within(reach.within_help)} "
        f"({count(reach.by_help, reach.open_help)})."
    )


def _error_rates(verdict: Verdict) -> str:
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
            least = next(c.level for c in verdict.bet.criteria if c.bar == scenario.ratio)
            count = sum(n for level, n in scenario.counts.items() if level >= least)
            power.append(f"{least.name} in {count / scenario.trials:.0%} at {scenario.ratio:g}")
    a_a = [one.a_a for one in verdict.resolved if one.a_a is not None]
    noise = (
        f" Their noise includes that between seeds: two adapters of {_control(verdict)} with "
        f"different seeds (A/A) differ by up to {max(a_a):.2g} nats per token, one standard "
        "deviation."
        if a_a
        else " One seed shows no spread between trainings, so these rates are a lower bound on "
        "chance."
    )
    return (
        f"Were every true ratio 1, this bet would still say {', '.join(parts)} of repetitions; "
        f"were it a level's bar, {', '.join(power)}.{noise}"
    )


def _without_margin(verdict: Verdict) -> list[str]:
    """What a level whose bar is no difference at all does without any, whatever the noise."""
    users = len(verdict.effects)
    words = []
    for c in verdict.bet.criteria:
        if c.comparison == "below" and c.bar == 1:
            tosses = sum(math.comb(users, k) for k in range(c.needed(users), users + 1))
            words.append(
                f"{c.level.name} has no margin: without any difference, chance alone brings it in "
                f"{tosses / 2**users:.0%} of repetitions, whatever the noise."
            )
    return words


def _names(users: Sequence[str]) -> str:
    """Users, each with what is said of it, in a row; of many the first."""
    more = f" and {len(users) - SHOWN} more" if len(users) > SHOWN else ""
    return ", ".join(users[:SHOWN]) + more
