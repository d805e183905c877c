"""A verdict in plain words, each from the numbers: what was found, and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .bets import Criterion, Level
from .chance import SHOWN, across, control, detectable, error_rates, names, own, without_margin
from .conditions import conditions
from .inference import ALPHA, Resolved
from .intervals import Interval
from .judge import ABSENT, Reach, Verdict, supported
from .statistics import Effect


def paragraph(verdict: Verdict) -> str:
    """The verdict in plain words, each from the numbers."""
    mark = "PLANTED" if verdict.planted else verdict.bet.mark
    words = [f"{mark} {verdict.level.name.replace('_', ' ')}.".lstrip()]
    words += [criterion_sentence(verdict, criterion) for criterion in verdict.bet.criteria]
    words += _other_design(verdict)
    inverted = [e for e in verdict.effects if e.delta < 0]
    words += [
        f"Inversion: for {e.user}, {control(verdict)} beat {own(verdict)} by {1 / e.ratio - 1:.2%}."
        for e in inverted[:SHOWN]
    ]
    if len(inverted) > SHOWN:
        words.append(f"Inversions in all: {len(inverted)} of {len(verdict.effects)}.")
    if any(e.help is None for e in verdict.effects):
        words.append(
            f"The untrained base's perplexity is unknown, and with it whether {own(verdict)} "
            f"helped or {control(verdict)} did harm."
        )
    if verdict.resolved:
        words += [
            *map(_measured, verdict.resolved[:SHOWN]),
            _certainty(verdict),
            *_who_won(verdict),
            *across(verdict),
            *detectable(verdict),
            _who_was_helped(verdict),
        ]
        if about_the_user(verdict):
            words += [_reach(reach, len(verdict.effects)) for reach in verdict.reach]
            words += [] if verdict.reach else ["What was reachable is not known."]
    else:
        words += [_harm_and_help(verdict, e) for e in verdict.effects[:SHOWN] if e.help is not None]
        allowed = supported(verdict)
        but = f" but {names(allowed)}" if allowed else ""
        words.append(
            f"Point estimates only, so nothing may be claimed{but}. {verdict.unresolved}".strip()
        )
    words += [
        f"{level.name} rests on harm: with help in place of the ratio it would not be met."
        for level in verdict.rests_on_harm
    ]
    words += without_margin(verdict)
    if verdict.resolved:
        words += [*error_rates(verdict), *may_be_said(verdict)]
    return " ".join(words)


def criterion_sentence(verdict: Verdict, criterion: Criterion) -> str:
    """Whether a criterion's condition holds, with the ratio that each user had."""
    users = len(verdict.effects)
    met = verdict.met[criterion.level]
    needed = criterion.needed(users)
    ratios = names([f"{e.user} {e.ratio:.4f}" for e in verdict.effects])
    if verdict.bet.statistic.by_cell:
        least, most = (f(e.ratio for e in verdict.effects) for f in (min, max))
        ratios = f"{least:.4f} to {most:.4f}"
    outcome = "holds" if len(met) >= needed else "does not hold"
    return (
        f"{criterion.level.name} (ratio {criterion.comparison} {criterion.bar:g} on {needed} of "
        f"{users}) {outcome}: {len(met)} of {users} ({ratios})."
    )


def about_the_user(verdict: Verdict) -> bool:
    """Whether the denominator is of the user's own text, in whose place the oracle's stands."""
    return all(c.source == "real" for c in conditions(verdict.bet.statistic.denominator))


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
            f"{names(_unproved(verdict, verdict.level))} it is not shown that {own(verdict)} "
            f"did better than {control(verdict)} and made the base better, and neither chance nor "
            "harm is personalisation."
        )
    if allowed:
        seeds = verdict.resolved[0].delta.seeds if verdict.resolved else 1
        adapters = "these adapters (one seed)" if seeds == 1 else f"adapters of {seeds} seeds"
        words.append(
            f"May be claimed, of {adapters}, these users, this base and recipe: {names(allowed)}."
        )
    if verdict.level < Level.LENIENT and ABSENT not in allowed and verdict.bet.statistic.controlled:
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
            f"{names(small)}: {own(verdict)} beat {control(verdict)} and made the base better."
        )
    return words


def _unproved(verdict: Verdict, level: Level) -> list[str]:
    shown = {*verdict.helped} & {*verdict.won}
    return [user for user in verdict.met[level] if user not in shown]


def quotient(interval: Interval | None) -> str:
    """An interval as a quotient of perplexities with its bounds; a dash where there is none."""
    if interval is None:
        return "–"
    estimate, low, high = interval.ratios
    return f"{estimate:.4f} [{low:.4f}, {high:.4f}]"


def within(reached: bool | None) -> str:
    """Whether a level was within reach, in words; None where that is not known."""
    return "unknown" if reached is None else "within reach" if reached else "out of reach"


def _other_design(verdict: Verdict) -> list[str]:
    """In what this is not the design that the bet registers."""
    bet, words = verdict.bet, []
    if bet.statistic.by_cell:
        return []
    if {e.user for e in verdict.effects} != set(bet.users):
        words.append(f"These are not the users that the bet registers ({names(bet.users)}).")
    seeds = verdict.resolved[0].delta.seeds if verdict.resolved else len(bet.seeds)
    if seeds != len(bet.seeds):
        words.append(
            f"{seeds} seeds stand where the bet registers {len(bet.seeds)}: if they were added "
            "after a look at the results, no probability below holds."
        )
    return words


def _measured(one: Resolved) -> str:
    """One user's quotients with their intervals."""
    if one.harm is None and one.help == one.delta:  # the control is the base itself
        return f"For {one.user} the ratio, help alone, is {quotient(one.delta)}."
    return (
        f"For {one.user} the ratio is {quotient(one.delta)}: harm {quotient(one.harm)} × help "
        f"{quotient(one.help)}."
    )


def _harm_and_help(verdict: Verdict, effect: Effect) -> str:
    """What the two arms did to the base, for a user whose untrained score is known."""
    assert effect.harm is not None  # noqa: S101 (for the type checker; the caller chose)
    assert effect.help is not None  # noqa: S101
    return (
        f"For {effect.user} {own(verdict)} changed the base's perplexity by "
        f"{1 / effect.help - 1:+.2%}, {control(verdict)} by {effect.harm - 1:+.2%}."
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
        f" For {names(unknown)} too few independent blocks are left for an interval of help."
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
            f"For these adapters, beyond chance, {own(verdict)} beat {control(verdict)} for "
            f"{names(won)}."
        )
    if lost:
        words.append(
            f"For these adapters, beyond chance, {control(verdict)} beat {own(verdict)} for "
            f"{names(lost)}."
        )
    if open_:
        words.append(f"No difference between these adapters is shown for {names(open_)}.")
    return words


def _who_was_helped(verdict: Verdict) -> str:
    if not verdict.helped:
        return f"For no user is it shown that {own(verdict)} made the base better."
    bounds = names(
        [
            f"{one.user} (help at least {math.exp(one.help.low):.4f})"
            for one in verdict.resolved
            if one.help is not None and one.user in verdict.helped
        ]
    )
    return f"That {own(verdict)} made the base better is resolved for {bounds}."


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
