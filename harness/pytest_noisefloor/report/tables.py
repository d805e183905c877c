"""Tables of a verdict. Formatting only."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_noisefloor.bets import (
    ABSENT_RATIO,
    UNKNOWN,
    Criterion,
    Level,
    Outcome,
    SimulatedRates,
    Verdict,
    has_reach,
    rate_bounds,
)
from pytest_noisefloor.specs import UNTRAINED
from pytest_noisefloor.stats import Effect, UserInference

from .labels import SHOWN, bet_title, has_harm, more, quotient
from .layout import Column, terminal_table
from .prose import render_prose
from .reach import reach_table


def render(verdict: Verdict) -> str:
    """Everything that is printed about a verdict: title, tables, and the verdict in plain words.

    The tables of intervals, tests and error rates need the scores of single tokens. The table of
    error rates also needs independent units, so there is none for cells.
    """
    parts = [title(verdict), table(verdict.effects)]
    if verdict.resolved:
        parts += [interval_table(verdict), chance_table(verdict)]
    if verdict.reachable:
        parts.append(reach_table(verdict))
    parts.append(level_table(verdict))
    if verdict.error_rates:
        parts.append(rate_table(verdict))
    return "\n\n".join([*parts, render_prose(verdict)])


def title(verdict: Verdict) -> str:
    """The bet's name, date and hash. If the bet is not registered, also its status and why."""
    return bet_title(verdict.bet, verdict.status)


def table(effects: Sequence[Effect]) -> str:
    """Perplexity of each arm for each unit, and ratio = harm × help. Pairs have only the latter."""
    contrast = effects[0].contrast
    columns = [Column[Effect](contrast.unit_word, lambda effect: effect.user, left=True)]
    if not contrast.by_pair:
        columns += map(_arm, dict.fromkeys((UNTRAINED, *contrast.compared)))
    columns.append(Column("ratio", lambda effect: _ratio(effect.ratio)))
    if has_harm(contrast):
        columns.append(Column("harm", lambda effect: _ratio(effect.harm)))
    columns.append(Column("help", lambda effect: _ratio(effect.help)))
    if not contrast.by_pair:
        columns.append(Column("winner", lambda effect: effect.winner, left=True))
    return terminal_table(columns, effects[:SHOWN]) + more(len(effects), contrast)


def _arm(arm: str) -> Column[Effect]:
    return Column(arm, lambda effect: _perplexity(effect.nll.get(arm)))


def interval_table(verdict: Verdict) -> str:
    """For each unit: 95 % intervals of ratio, harm, help and reach, and the detectable ratio.

    ``score`` is Δ(real)/Δ(oracle), given only if Δ(oracle) is resolved above 0.
    """
    contrast = verdict.bet.contrast
    columns = [
        Column[UserInference](contrast.unit_word, lambda one: one.user, left=True),
        Column[UserInference]("ratio", lambda one: quotient(one.delta)),
    ]
    if has_harm(contrast):
        columns.append(Column("harm", lambda one: quotient(one.harm)))
    columns.append(Column("help", lambda one: quotient(one.help)))
    if has_reach(contrast):
        columns += [
            Column("oracle's ratio", lambda one: quotient(one.oracle)),
            Column("score", _score),
        ]
    columns.append(Column("detectable", lambda one: f"{math.exp(one.mde):.4f}"))
    return terminal_table(columns, verdict.resolved[:SHOWN]) + more(len(verdict.resolved), contrast)


def chance_table(verdict: Verdict) -> str:
    """For each unit: the p values of no difference and of a ratio that may be 1.1 or 1/1.1."""
    contrast = verdict.bet.contrast
    columns = [
        Column[UserInference](contrast.unit_word, lambda one: one.user, left=True),
        Column[UserInference]("p of no difference", lambda one: _probability(one.delta.p)),
        Column(
            f"p of {ABSENT_RATIO:g} or more (TOST)", lambda one: _probability(one.equivalence_p)
        ),
        Column("spread of trainings", lambda one: "yes" if one.delta.of_trainings else "no"),
    ]
    return terminal_table(columns, verdict.resolved[:SHOWN]) + more(len(verdict.resolved), contrast)


def level_table(verdict: Verdict) -> str:
    """For each level: how many met it, whether that rests on harm, whether it was within reach."""
    units, contrast, found = len(verdict.effects), verdict.bet.contrast, verdict.findings
    reach = {one.level: one for one in verdict.reach}

    def unknown(criterion: Criterion) -> str:
        return Outcome.UNKNOWN if criterion.level > Level.NOT_MET else "–"

    columns = [
        Column[Criterion]("level", lambda c: c.level.name, left=True),
        Column[Criterion]("needed", lambda c: f"{c.n_required(units)} of {units}"),
        Column[Criterion]("met by", lambda c: f"{len(verdict.met[c.level])}"),
        Column[Criterion](
            "may be claimed", lambda c: "yes" if c.level.name in found.claimable else "no"
        ),
    ]
    if has_harm(contrast):
        columns.append(Column("rests on harm", lambda c: _rests_on_harm(verdict, c)))
    if has_reach(contrast):
        columns.append(
            Column(
                "reach by help",
                lambda c: reach[c.level].outcome if c.level in reach else unknown(c),
            )
        )
    return terminal_table(columns, verdict.bet.criteria)


def _rests_on_harm(verdict: Verdict, criterion: Criterion) -> str:
    if criterion.level < Level.NOT_MET or not verdict.holds(criterion.level):
        return "–"
    if any(effect.help is None for effect in verdict.effects):
        return UNKNOWN
    return "yes" if criterion.level in verdict.rests_on_harm else "no"


def rate_table(verdict: Verdict) -> str:
    """What the bet's levels do by chance: each level's share of simulated repetitions."""
    some = " (noise lacks the spread of trainings)" if verdict.findings.of_adapters else ""
    heading = f"true ratio of all users{some}"
    columns = [Column[SimulatedRates](heading, lambda scenario: f"{scenario.ratio:g}", left=True)]
    columns += map(_rate_of, sorted(Level, reverse=True))
    return terminal_table(columns, verdict.error_rates)


def _rate_of(level: Level) -> Column[SimulatedRates]:
    return Column(level.name, lambda scenario: _rate(scenario.counts[level], scenario.trials))


def _score(one: UserInference) -> str:
    return "–" if one.fraction_of_oracle is None else f"{one.fraction_of_oracle:.2f}"


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
