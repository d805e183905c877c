"""Verdicts in tables; formatting only."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .bets import Level
from .errorrates import bounds
from .intervals import Interval
from .judge import Verdict
from .paragraph import criterion, criterion_sentence, paragraph
from .statistics import Effect

__all__ = ["criterion", "criterion_sentence", "paragraph", "report", "table", "title"]

_COLUMNS = ("user", "untrained", "real", "random", "ratio", "harm", "help", "winner")
_INTERVALS = ("user", "ratio", "help", "oracle's ratio", "score", "p (Holm)", "detectable")


def report(verdict: Verdict) -> str:
    """All that a person reads of a verdict: title, tables, and the paragraph in plain words.

    The tables of intervals and of error rates stand where the scores of single tokens are known.
    """
    parts = [title(verdict), table(verdict.effects)]
    if verdict.resolved:
        parts += [interval_table(verdict), rate_table(verdict)]
    return "\n\n".join([*parts, paragraph(verdict)])


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
    return _aligned(rows)


def interval_table(verdict: Verdict) -> str:
    """For each user 95 % intervals of ratio, help and reach, the p value, the detectable ratio.

    ``score`` is Δ(real)/Δ(oracle), where the oracle's is resolved above 0.
    """
    rows = [_INTERVALS] + [
        (
            one.user,
            _interval(one.delta),
            _interval(one.help),
            _interval(one.oracle),
            "–" if one.normalised is None else f"{one.normalised:.2f}",
            f"{one.holm:.4f}",
            f"{math.exp(one.detectable):.4f}",
        )
        for one in verdict.resolved
    ]
    return _aligned(rows)


def rate_table(verdict: Verdict) -> str:
    """What the bet's levels do by chance: each level's share of simulated repetitions."""
    levels = sorted(Level, reverse=True)
    rows = [("true ratio of all users", *(level.name for level in levels))] + [
        (
            f"{scenario.ratio:g}",
            *(_rate(scenario.counts[level], scenario.trials) for level in levels),
        )
        for scenario in verdict.error_rates
    ]
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows under their headings: the first column and a last one of words to the left."""
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


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    estimate, low, high = interval.ratios
    return f"{estimate:.4f} [{low:.4f}, {high:.4f}]"


def _rate(count: int, trials: int) -> str:
    low, high = bounds(count, trials)
    return f"{count / trials:.1%} [{low:.1%}, {high:.1%}]"


def _perplexity(nll: float | None) -> str:
    if nll is None:
        return "–"
    value = math.exp(nll)
    # from 999.95 on, four digits would read 1000, without the comma
    return f"{value:,.0f}" if value >= 999.95 else f"{value:.4g}"  # noqa: PLR2004


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
