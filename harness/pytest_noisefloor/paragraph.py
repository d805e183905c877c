"""A verdict in plain words, each from the numbers: what was found, and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .bets import Criterion, Level
from .errorrates import bounds
from .inference import ALPHA, across_users, users_needed
from .judge import ABSENT, Reach, Verdict, supported
from .statistics import Effect


def paragraph(verdict: Verdict) -> str:
    """The verdict in plain words, each from the numbers."""
    words = [f"{'PLANTED ' if verdict.planted else ''}{verdict.level.name.replace('_', ' ')}."]
    words += [criterion_sentence(verdict, criterion) for criterion in verdict.bet.criteria]
    words += [
        f"Inversion: for {e.user}, random tokens beat the user's own text by {1 / e.ratio - 1:.2%}."
        for e in verdict.effects
        if e.delta < 0
    ]
    words += [_harm_and_help(e) for e in verdict.effects if e.untrained is not None]
    if any(e.untrained is None for e in verdict.effects):
        words.append(
            "The untrained base's perplexity is unknown, and with it whether the users' text "
            "helped or random tokens did harm."
        )
    if verdict.resolved:
        words += [
            _certainty(verdict),
            *_who_won(verdict),
            _across(verdict),
            _who_was_helped(verdict),
        ]
        words += [_reach(reach, len(verdict.effects)) for reach in verdict.reach]
    else:
        allowed = supported(verdict)
        but = f" but {_names(allowed)}" if allowed else ""
        words.append(
            f"Point estimates only, so nothing may be claimed{but}. {verdict.unresolved}".strip()
        )
    words += [
        f"{level.name} rests on harm: with help in place of the ratio it would not be met."
        for level in verdict.rests_on_harm
    ]
    if verdict.resolved:
        words += [_error_rates(verdict), *may_be_said(verdict)]
    return " ".join(words)


def criterion_sentence(verdict: Verdict, criterion: Criterion) -> str:
    """Whether a criterion's condition holds, with the ratio that each user had."""
    users = len(verdict.effects)
    met = verdict.met[criterion.level]
    needed = criterion.needed(users)
    ratios = ", ".join(f"{e.user} {e.ratio:.4f}" for e in verdict.effects)
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
            f"{_names(_not_helped(verdict, verdict.level))} it is not shown that the user's own "
            "text made the base better, and harm by random tokens is no personalisation."
        )
    if allowed:
        words.append(f"May be claimed, of these users, this base and recipe: {_names(allowed)}.")
    if verdict.level < Level.LENIENT and ABSENT not in allowed:
        lenient = next((r for r in verdict.reach if r.level == Level.LENIENT), None)
        why = (
            "LENIENT was out of reach, so missing it shows nothing of the text"
            if lenient is not None and not lenient.within
            else "not every user is shown to lie within LENIENT's bar"
            if lenient is not None
            else "what was reachable was not measured"
        )
        words.append(f"That personalisation is absent may not be claimed: {why}.")
    small = [
        one.user
        for one in verdict.resolved
        if one.delta.low > 0 and one.holm < ALPHA and one.user in verdict.helped
    ]
    if small and verdict.level < Level.LENIENT:
        words.append(
            f"An effect below the registered levels is shown for {_names(small)}: the user's own "
            "text beat random tokens and made the base better."
        )
    return words


def _not_helped(verdict: Verdict, level: Level) -> list[str]:
    return [user for user in verdict.met[level] if user not in verdict.helped]


def _harm_and_help(effect: Effect) -> str:
    """What the two arms did to the base, for a user whose untrained score is known."""
    assert effect.harm is not None  # noqa: S101 (for the type checker; the caller chose)
    assert effect.help is not None  # noqa: S101
    return (
        f"For {effect.user} the user's text changed the base's perplexity by "
        f"{1 / effect.help - 1:+.2%}, random tokens by {effect.harm - 1:+.2%}."
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
        "are conditional on these adapters and texts: one seed says nothing of another training"
        if seeds == 1
        else f"include the spread over {seeds} seeds"
    )
    return f"95 % intervals rest on {min(blocks)} blocks or more and {scope}.{missing}"


def _who_won(verdict: Verdict) -> list[str]:
    """Beyond chance, after Holm: whose text won, whose lost, and where nothing is shown."""
    shown = [one for one in verdict.resolved if one.holm < ALPHA]
    won = [one.user for one in shown if one.delta.estimate > 0]
    lost = [one.user for one in shown if one.delta.estimate < 0]
    open_ = [one.user for one in verdict.resolved if one not in shown]
    words = []
    if won:
        words.append(
            "For these adapters, beyond chance, their own text beat random tokens for "
            f"{_names(won)}."
        )
    if lost:
        words.append(
            "For these adapters, beyond chance, random tokens beat their own text for "
            f"{_names(lost)}."
        )
    if open_:
        words.append(f"No difference between the arms is shown for {_names(open_)}.")
    return words


def _across(verdict: Verdict) -> str:
    p = across_users([effect.delta for effect in verdict.effects])
    users = len(verdict.effects)
    more = f"; below {ALPHA:g} it cannot fall with fewer than {users_needed()} users"
    return (
        f"Across {users} users the exact sign-flip p is {p:.3g}"
        f"{more if users < users_needed() else ''}."
    )


def _who_was_helped(verdict: Verdict) -> str:
    if not verdict.helped:
        return "For no user is it shown that the user's own text made the base better."
    bounds = ", ".join(
        f"{one.user} (help at least {math.exp(one.help.low):.4f})"
        for one in verdict.resolved
        if one.help is not None and one.user in verdict.helped
    )
    return f"The user's own text made the base better, resolved, for {bounds}."


def _reach(reach: Reach, users: int) -> str:
    ratio = "within reach" if reach.within else "out of reach"
    if reach.by_help is None:
        by_help = "unknown"
    else:
        by_help = f"{len(reach.by_help)}, {'within' if reach.within_help else 'out of'} reach"
    return (
        f"{reach.level.name} was {ratio}: trained on the held-out text itself, "
        f"{len(reach.by_ratio)} of {users} could have met it ({reach.needed} needed); by help "
        f"alone, {by_help}."
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
    noise = (
        " One seed shows no spread between trainings, so these rates are a lower bound on chance."
        if verdict.resolved[0].delta.seeds == 1
        else ""
    )
    return (
        f"Were every true ratio 1, this bet would still say {', '.join(parts)} of repetitions; "
        f"were it a level's bar, {', '.join(power)}.{noise}"
    )


def _names(users: Sequence[str]) -> str:
    return ", ".join(users)
