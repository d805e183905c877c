"""Verdicts in words and tables; formatting only."""

from __future__ import annotations

from collections.abc import Sequence

from .bets import Criterion, Level
from .judge import Verdict
from .statistics import Effect

_COLUMNS = ("user", "untrained", "real", "random", "ratio", "harm", "help", "winner")


def report(verdict: Verdict) -> str:
    """All that a person reads of a verdict: title, table of perplexities, level in words."""
    return "\n".join([title(verdict), "", table(verdict.effects), "", paragraph(verdict)])


def title(verdict: Verdict) -> str:
    """The bet's name, date and hash."""
    bet = verdict.bet
    name = f"Bet {bet.id}: {bet.title} (registered {bet.registered}, {bet.sha256[:12]})"
    return f"PLANTED, proves the machinery alone: {name}" if verdict.planted else name


def table(effects: Sequence[Effect]) -> str:
    """Perplexity of each arm for each user, with ratio = harm × help."""
    rows = [_COLUMNS] + [
        (
            effect.user,
            *(_perplexity(nll) for nll in (effect.untrained, effect.real, effect.random)),
            *(_ratio(value) for value in (effect.ratio, effect.harm, effect.help)),
            effect.winner,
        )
        for effect in effects
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = [
        "  ".join(
            cell.rjust(width) if 0 < i < len(_COLUMNS) - 1 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def paragraph(verdict: Verdict) -> str:
    """The verdict in plain words, each from the numbers."""
    words = [f"{'PLANTED ' if verdict.planted else ''}{verdict.level.name.replace('_', ' ')}."]
    words += [criterion_sentence(verdict, criterion) for criterion in verdict.bet.criteria]
    inverted = [e for e in verdict.effects if e.delta < 0]
    words += [
        f"Inversion: for {e.user}, random tokens beat the user's own text by {1 / e.ratio - 1:.2%}."
        for e in inverted
    ]
    words += [_harm_and_help(e) for e in verdict.effects if e.untrained is not None]
    if any(e.untrained is None for e in verdict.effects):
        words.append(
            "The untrained base's perplexity is unknown, and with it whether the users' text "
            "helped or random tokens did harm."
        )
    return " ".join(words)


def criterion_sentence(verdict: Verdict, criterion: Criterion) -> str:
    """Whether a criterion's condition holds, with the ratio that each user had."""
    users = len(verdict.effects)
    met = verdict.met[criterion.level]
    needed = criterion.needed(users)
    ratios = ", ".join(f"{e.user} {_ratio(e.ratio)}" for e in verdict.effects)
    outcome = "holds" if len(met) >= needed else "does not hold"
    return (
        f"{criterion.level.name} (ratio {criterion.comparison} {criterion.bar:g} on {needed} of "
        f"{users}) {outcome}: {len(met)} of {users} ({ratios})."
    )


def criterion(verdict: Verdict, level: Level) -> Criterion:
    """The criterion of a level."""
    return next(c for c in verdict.bet.criteria if c.level == level)


def _harm_and_help(effect: Effect) -> str:
    """What the two arms did to the base, for a user whose untrained score is known."""
    assert effect.harm is not None  # noqa: S101 (for the type checker; the caller chose)
    assert effect.help is not None  # noqa: S101
    return (
        f"For {effect.user} the user's text changed the base's perplexity by "
        f"{1 / effect.help - 1:+.2%}, random tokens by {effect.harm - 1:+.2%}."
    )


def _perplexity(nll: float | None) -> str:
    from math import exp

    if nll is None:
        return "–"
    value = exp(nll)
    # from 999.95 on, four digits would read 1000, without the comma
    return f"{value:,.0f}" if value >= 999.95 else f"{value:.4g}"  # noqa: PLR2004


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
