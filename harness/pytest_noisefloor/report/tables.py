"""Tables of a verdict. Formatting only."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_noisefloor.bets import UNKNOWN, Level, Status, Verdict, rate_bounds
from pytest_noisefloor.specs import UNTRAINED
from pytest_noisefloor.stats import Contrast, Effect

from .labels import SHOWN, has_harm, has_margin, has_reach, quotient
from .prose import render_prose


def render(verdict: Verdict) -> str:
    """Everything that is printed about a verdict: title, tables, and the verdict in plain words.

    The tables of intervals, tests and error rates need the scores of single tokens. The table of
    error rates also needs independent units, so there is none for cells.
    """
    parts = [title(verdict), table(verdict.effects)]
    if verdict.resolved:
        parts += [interval_table(verdict), chance_table(verdict)]
    parts.append(level_table(verdict))
    if verdict.error_rates:
        parts.append(rate_table(verdict))
    return "\n\n".join([*parts, render_prose(verdict)])


def title(verdict: Verdict) -> str:
    """The bet's name, date and hash. If the bet is not registered, also its status and why."""
    bet = verdict.bet
    name = f"Bet {bet.id}: {bet.title} ({bet.registration_note}, {bet.sha256[:12]})"
    status = verdict.status
    if status is Status.PLANTED:
        return f"PLANTED, proves the machinery alone: {name}"
    if status is Status.REGISTERED:
        return name
    why = (
        "by another design than it registers" if bet.registration.altered else "a bet of one's own"
    )
    return f"{status}, {why}: {name}"


def table(effects: Sequence[Effect]) -> str:
    """Perplexity of each arm for each unit, and ratio = harm × help. Pairs have only the latter."""
    contrast = effects[0].contrast
    arms = tuple(dict.fromkeys((UNTRAINED, *contrast.compared)))
    rows: list[tuple[str, ...]] = [
        (contrast.unit_word, *arms, "ratio", "harm", "help", "winner")
    ] + [
        (
            effect.user,
            *(_perplexity(effect.nll.get(arm)) for arm in arms),
            *(_ratio(value) for value in (effect.ratio, effect.harm, effect.help)),
            effect.winner,
        )
        for effect in effects[:SHOWN]
    ]
    if not has_harm(contrast):
        rows = _without(rows, "harm")
    if contrast.by_pair:
        rows = _without(rows, *arms, "winner")
    return _aligned(rows) + _more(len(effects), contrast)


def interval_table(verdict: Verdict) -> str:
    """For each unit: 95 % intervals of ratio, harm, help and reach, and the detectable ratio.

    ``score`` is Δ(real)/Δ(oracle), given only if Δ(oracle) is resolved above 0.
    """
    contrast = verdict.bet.contrast
    rows: list[tuple[str, ...]] = [
        (contrast.unit_word, "ratio", "harm", "help", "oracle's ratio", "score", "detectable"),
        *(
            (
                one.user,
                quotient(one.delta),
                quotient(one.harm),
                quotient(one.help),
                quotient(one.oracle),
                "–" if one.fraction_of_oracle is None else f"{one.fraction_of_oracle:.2f}",
                f"{math.exp(one.mde):.4f}",
            )
            for one in verdict.resolved[:SHOWN]
        ),
    ]
    if not has_harm(contrast):
        rows = _without(rows, "harm")
    if not has_reach(contrast):
        rows = _without(rows, "oracle's ratio", "score")
    return _aligned(rows) + _more(len(verdict.resolved), contrast)


def chance_table(verdict: Verdict) -> str:
    """For each unit: the p-values of the tests. The sign-flip p is conditional on the adapters."""
    contrast, within_bar = verdict.bet.contrast, "p of LENIENT's bar or more (TOST)"
    rows: list[tuple[str, ...]] = [
        (
            contrast.unit_word,
            "p of no difference (sign-flip, Holm; given these adapters)",
            within_bar,
        ),
        *(
            (one.user, _probability(one.holm), _probability(one.equivalence_p))
            for one in verdict.resolved[:SHOWN]
        ),
    ]
    if not has_margin(verdict):
        rows = _without(rows, within_bar)
    return _aligned(rows) + _more(len(verdict.resolved), contrast)


def level_table(verdict: Verdict) -> str:
    """For each level: how many met it, whether that rests on harm, whether it was within reach."""
    units, contrast = len(verdict.effects), verdict.bet.contrast
    reach = {one.level: one for one in verdict.reach}
    rows: list[tuple[str, ...]] = [
        ("level", "needed", "met by", "rests on harm", "reach", "reach by help alone")
    ]
    for c in verdict.bet.criteria:
        one, good = reach.get(c.level), c.level > Level.NOT_MET
        harm = any(effect.help is None for effect in verdict.effects)
        rests = "unknown" if harm else "yes" if c.level in verdict.rests_on_harm else "no"
        rows.append(
            (
                c.level.name,
                f"{c.n_required(units)} of {units}",
                f"{len(verdict.met[c.level])}",
                rests if good and verdict.holds(c.level) else "–",
                one.outcome if one else UNKNOWN if good else "–",
                one.outcome_by_help if one else UNKNOWN if good else "–",
            )
        )
    if not has_harm(contrast):
        rows = _without(rows, "rests on harm", "reach by help alone")
    if not has_reach(contrast):
        rows = _without(rows, "reach", "reach by help alone")
    return _aligned(rows)


def rate_table(verdict: Verdict) -> str:
    """What the bet's levels do by chance: each level's share of simulated repetitions."""
    levels = sorted(Level, reverse=True)
    one_seed = verdict.resolved[0].delta.seeds == 1
    heading = f"true ratio of all users{' (noise of one seed)' if one_seed else ''}"
    rows: list[tuple[str, ...]] = [(heading, *(level.name for level in levels))] + [
        (
            f"{scenario.ratio:g}",
            *(_rate(scenario.counts[level], scenario.trials) for level in levels),
        )
        for scenario in verdict.error_rates
    ]
    return _aligned(rows)


def _without(rows: Sequence[tuple[str, ...]], *headings: str) -> list[tuple[str, ...]]:
    """Drop the columns under some headings."""
    kept = [i for i, heading in enumerate(rows[0]) if heading not in headings]
    return [tuple(row[i] for i in kept) for row in rows]


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Align rows under their headings. The first column and a last column of words go left."""
    last = len(rows[0]) - 1
    left = {0} | ({last} if rows[0][last] == "winner" else set())
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def _more(units: int, contrast: Contrast) -> str:
    """The line under a table that does not show all units. Empty if all are shown."""
    if units <= SHOWN:
        return ""
    return (
        f"\n… and {units - SHOWN} more of {units} {contrast.unit_word}s; all of them are in the "
        "result file"
    )


def _probability(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"  # noqa: PLR2004 (what four digits can show)


def _rate(count: int, trials: int) -> str:
    low, high = rate_bounds(count, trials)
    return f"{count / trials:.1%} [{low:.1%}, {high:.1%}]"


def _perplexity(nll: float | None) -> str:
    if nll is None:
        return "–"
    value = math.exp(nll)
    # from 999.95 on, four digits would read 1000, without the comma
    return f"{value:,.0f}" if value >= 999.95 else f"{value:.4g}"  # noqa: PLR2004


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
