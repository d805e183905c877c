"""Describe a verdict in plain words, from its numbers: what was found and what may be claimed."""

from __future__ import annotations

from pytest_noisefloor.bets import ABSENT, Criterion, Level, Verdict, is_best_of
from pytest_noisefloor.stats import Effect

from .inference_prose import (
    error_rates_in_words,
    reach_in_words,
    shown_of_cells,
    shown_of_users,
    without_margin,
)
from .labels import SHOWN, control, has_harm, has_margin, name_or_count, names, treatment


def render_prose(verdict: Verdict) -> str:
    """Describe the verdict in plain words, from its numbers, with one paragraph per part.

    The parts are: the level and whose ratios made it; what is shown of harm and help; what was
    within reach; what chance does; what may be claimed.
    """
    parts = (_found(verdict), _shown(verdict), _reached(verdict), _chance(verdict))
    claimable = claimable_sentences(verdict) if verdict.resolved else []
    return "\n\n".join(" ".join(part) for part in (*parts, claimable) if part)


def _found(verdict: Verdict) -> list[str]:
    by_user = verdict.bet.contrast.by_user
    return [
        f"{verdict.status.prefix(' ')}{verdict.level.name.replace('_', ' ')}.",
        *(criterion_sentence(verdict, criterion) for criterion in verdict.bet.criteria),
        *_other_design(verdict),
        *(_inversions(verdict) if by_user else _inversions_of_parts(verdict)),
        *_chosen(verdict),
    ]


def _shown(verdict: Verdict) -> list[str]:
    by_user, words = verdict.bet.contrast.by_user, []
    if any(e.help is None for e in verdict.effects):
        harm = f" or {control(verdict)} did harm" if has_harm(verdict.bet.contrast) else ""
        words.append(
            f"The untrained base's perplexity is unknown, and with it whether {treatment(verdict)} "
            f"helped{harm}."
        )
    if verdict.resolved:
        return words + (shown_of_users(verdict) if by_user else shown_of_cells(verdict))
    if by_user:
        shown = verdict.effects[:SHOWN]
        words += [_harm_and_help(verdict, e) for e in shown if e.help is not None]
    allowed = verdict.findings.claimable
    but = f" but {names(allowed)}" if allowed else ""
    return [
        *words,
        f"Point estimates only, so nothing may be claimed{but}. {_why(verdict)}".strip(),
    ]


def _reached(verdict: Verdict) -> list[str]:
    return [
        *(reach_in_words(verdict) if verdict.resolved else []),
        *(
            f"{level.name} rests on harm: with help in place of the ratio it would not be met."
            for level in verdict.rests_on_harm
        ),
    ]


def _chance(verdict: Verdict) -> list[str]:
    words = without_margin(verdict)
    if verdict.resolved and verdict.bet.contrast.by_user:
        words.append(error_rates_in_words(verdict))
    return words


def _why(verdict: Verdict) -> str:
    """Say why there are no intervals. The sentence is empty for a published table."""
    reason = verdict.unresolved.rstrip(".")
    return f"{reason[:1].upper()}{reason[1:]}." if reason else ""


def criterion_sentence(verdict: Verdict, criterion: Criterion) -> str:
    """Say whether a criterion holds, with each user's ratio or the range of other units' ratios."""
    units = len(verdict.effects)
    met = verdict.met[criterion.level]
    needed = criterion.n_required(units)
    outcome = "holds" if len(met) >= needed else "does not hold"
    if not verdict.bet.contrast.by_user:
        ratios = [e.ratio for e in verdict.effects]
        of, found = (
            f" {verdict.bet.contrast.unit_word}s",
            f"ratios from {min(ratios):.4f} to {max(ratios):.4f}",
        )
    else:
        of, found = "", names([f"{e.user} {e.ratio:.4f}" for e in verdict.effects])
    return (
        f"{criterion.level.name} (ratio {criterion.comparison} {criterion.threshold:g} on {needed} "
        f"of {units}{of}) {outcome}: {len(met)} of {units} ({found})."
    )


def criterion(verdict: Verdict, level: Level) -> Criterion:
    """The criterion of a level."""
    return next(c for c in verdict.bet.criteria if c.level == level)


def claimable_sentences(verdict: Verdict) -> list[str]:
    """Say what a claim may assert, and what must not be read into the verdict."""
    words = []
    allowed = verdict.findings.claimable
    catastrophic = verdict.level is Level.CATASTROPHIC
    if verdict.level > Level.NOT_MET and verdict.level.name not in allowed:
        why = _not_shown(verdict, verdict.level)
        words.append(f"{verdict.level.name} may not be claimed: {why}.")
    if allowed:
        words.append(
            f"May be claimed, of {_adapters(verdict)}, these users, this base and recipe: "
            f"{names(allowed)}."
        )
    short = set(verdict.met[verdict.level]) - set(verdict.lost) if catastrophic else ()
    if short:
        words.append(
            f"CATASTROPHIC is by points: on {name_or_count(sorted(short), verdict)} it is not "
            f"shown that {control(verdict)} beat {treatment(verdict)}."
        )
    words += _absent(verdict, allowed)
    small = verdict.findings.below_level
    if small:
        below = " below the registered levels" if has_margin(verdict) else ""
        better = " and made the base better" if has_harm(verdict.bet.contrast) else ""
        words.append(
            f"For these adapters an effect{below} is shown for {names(small)}: "
            f"{treatment(verdict)} beat {control(verdict)}{better}."
        )
    return words


def _adapters(verdict: Verdict) -> str:
    if verdict.bet.contrast.by_cell:
        return "these adapters"
    seeds = verdict.resolved[0].delta.seeds
    return "these adapters (one seed)" if seeds == 1 else f"adapters of {seeds} seeds"


def _not_shown(verdict: Verdict, level: Level) -> str:
    """Say what a level lacks for a claim: the control was not beaten, or the base not improved."""
    contrast, why = verdict.bet.contrast, []
    open_ = [u for u in verdict.met[level] if u not in verdict.won]
    worse = [u for u in verdict.met[level] if u not in verdict.helped]
    if open_:
        why.append(
            f"on {name_or_count(open_, verdict)} it is not shown that {treatment(verdict)} beat "
            f"{control(verdict)}"
        )
    if worse and has_harm(contrast):
        no = "personalisation" if verdict.bet.controlled else f"gain by {treatment(verdict)}"
        why.append(
            f"on {name_or_count(worse, verdict)} it is not shown that {treatment(verdict)} made "
            f"the base better, and harm by {control(verdict)} is no {no}"
        )
    return "; ".join(why)


def _absent(verdict: Verdict, allowed: tuple[str, ...]) -> list[str]:
    """Say why the absence of personalisation may not be claimed, if the bet could show it."""
    if (
        verdict.level is not Level.NOT_MET
        or ABSENT in allowed
        or not verdict.bet.controlled
        or not has_margin(verdict)
    ):
        return []
    lenient = next((r for r in verdict.reach if r.level == Level.LENIENT), None)
    why = (
        "LENIENT was out of reach, so missing it shows nothing of the text"
        if lenient is not None and lenient.within is False
        else "what was reachable is not known"
        if lenient is None or lenient.within is None
        else f"not every {verdict.bet.contrast.unit_word} is shown to lie within LENIENT's bar"
        if len(verdict.absent) < len(verdict.effects)
        else "that LENIENT was within reach is not shown"
    )
    return [f"That personalisation is absent may not be claimed: {why}."]


def _inversions(verdict: Verdict) -> list[str]:
    inverted = [e for e in verdict.effects if e.delta < 0]
    words = [
        f"Inversion: for {e.user}, {control(verdict)} beat {treatment(verdict)} "
        f"by {1 / e.ratio - 1:.2%}."
        for e in inverted[:SHOWN]
    ]
    if len(inverted) > SHOWN:
        words.append(f"Inversions in all: {len(inverted)} of {len(verdict.effects)}.")
    return words


def _inversions_of_parts(verdict: Verdict) -> list[str]:
    inverted = [f"{e.user} ({e.ratio:.4f})" for e in verdict.effects if e.delta < 0]
    if not inverted:
        return []
    found = (
        f"{control(verdict)} beat {treatment(verdict)}"
        if verdict.bet.contrast.by_cell
        else f"{treatment(verdict)} gained more over {control(verdict)} on the slice that is "
        "farther from the training text"
    )
    where = f"{len(inverted)} of {len(verdict.effects)} {verdict.bet.contrast.unit_word}s"
    return [f"In {where} {found}: {names(inverted)}."]


def _chosen(verdict: Verdict) -> list[str]:
    """Say so if the best of several adapters was chosen on the same text that measures it."""
    if not any(map(is_best_of, verdict.bet.contrast.compared)):
        return []
    taken = ", and intervals take the choice as given" if verdict.resolved else ""
    return [f"The best of several was chosen by the held-out text itself{taken}."]


def _other_design(verdict: Verdict) -> list[str]:
    """Say how users and seeds differ from those that the bet registers.

    Nothing is said unless the units are users, because only these units' names are users' names.
    """
    bet, words = verdict.bet, []
    if not bet.contrast.by_user:
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


def _harm_and_help(verdict: Verdict, effect: Effect) -> str:
    """Say what the arms did to the base, for a user whose untrained score is known."""
    assert effect.harm is not None  # noqa: S101 (for the type checker; the caller chose)
    assert effect.help is not None  # noqa: S101
    harm = (
        f", {control(verdict)} by {effect.harm - 1:+.2%}" if has_harm(verdict.bet.contrast) else ""
    )
    return (
        f"For {effect.user} {treatment(verdict)} changed the base's perplexity by "
        f"{1 / effect.help - 1:+.2%}{harm}."
    )
