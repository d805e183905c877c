"""The summary's tables, in Markdown that also reads well in a terminal. Formatting only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from pytest_noisefloor.results import FIGURES, NOT_RUN, BudgetPoint, LadderRung, Matrix, MethodCost
from pytest_noisefloor.specs import UNTRAINED
from pytest_noisefloor.stats import (
    Cell,
    RankCorrelation,
    SignCounts,
    SliceDivergence,
    VarianceComponent,
)

from .layout import markdown_table

NONE = "–"
_SHARED = "share users, texts and adapters, so fewer than these are independent"


def bet_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One row per bet and base."""
    head = ("bet", "title", "base", "level", "STRICT, LENIENT, CATASTROPHIC")
    figures = ("ratio, least to largest", "met LENIENT's bar")
    more = ("LENIENT's reach", "rests on harm", "written", "bet file", "note")
    return markdown_table((*head, *figures, *more), map(_bet_row, rows))


def _bet_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    end = (row["sha256"][:12], "; ".join(row["marks"]))
    bars = "; ".join(row["bars"][level] for level in ("STRICT", "LENIENT", "CATASTROPHIC"))
    is_run = row["level"] != NOT_RUN
    by_points = ", by points" if is_run and row["level"] not in row["claimable"] else ""
    start = (row["bet"], row["title"], row["base"], f"{row['level']}{by_points}", bars)
    if not is_run:
        return (*start, *[NONE] * 5, *end)
    return (
        *start,
        _range(row["least"], row["largest"]),
        f"{row['met']['LENIENT']} of {row['units']}",
        row["reach"],
        ", ".join(row["rests_on_harm"]) or "no",
        row["written"][:10],
        *end,
    )


def _range(least: Mapping[str, Any], largest: Mapping[str, Any]) -> str:
    ends = [
        f"{_quotient('ratio', end)} ({end['unit']})"
        for end in ([least] if least["unit"] == largest["unit"] else [least, largest])
    ]
    return " to ".join(ends)


def _quotient(name: str, record: Mapping[str, Any] | None) -> str:
    if record is None:
        return NONE
    if record["interval"] is None:
        return _figure(record[name])
    low, high = map(_figure, record["interval"])
    return f"{_figure(record[name])} [{low}, {high}]"


def _figure(value: float) -> str:
    return f"{value:.4f}" if value < 100 else f"{value:.6g}"  # noqa: PLR2004 (six digits are enough)


def ladder_table(ladders: Mapping[str, Sequence[LadderRung]]) -> str:
    """One row per rung, one column per user: gain over the base, and its share of real's gain."""
    columns = [[rung.name for rung in next(iter(ladders.values()))]]
    columns += [[_rung(rung) for rung in rungs] for rungs in ladders.values()]
    return markdown_table(("rung", *ladders), zip(*columns, strict=True))


def _rung(rung: LadderRung) -> str:
    if rung.gain is None:
        return NOT_RUN
    if rung.name == UNTRAINED:
        return "0"
    gain = f"{rung.gain:+z.5f}"
    if rung.interval:
        gain += f" [{rung.interval.low:+z.5f}, {rung.interval.high:+z.5f}]"
    return f"{gain}, {NONE if rung.share is None else f'{rung.share:.0%}'}"


def matrix_table(matrix: Matrix) -> str:
    """Perplexities, each with its difference from the column's mean in nats per token."""
    cells = zip(matrix.users, matrix.perplexity, matrix.over_mean, strict=True)
    return markdown_table(
        ("trained on", *(f"scored on {user}" for user in matrix.users)),
        [
            (user, *(f"{_perplexity(p)} ({over:+z.4f})" for p, over in zip(ps, overs, strict=True)))
            for user, ps, overs in cells
        ],
    )


def _perplexity(value: float) -> str:
    return f"{value:.6g}"


def budget_table(points: Sequence[BudgetPoint]) -> str:
    """One row per rate, number of steps and user: quotients of perplexities."""
    head = ("lr × steps", "lr", "steps", "bet", "user", "ratio", "harm", "help", "oracle's help")
    return markdown_table(
        head,
        [
            (
                f"{point.budget:g}",
                f"{point.lr:g}",
                f"{point.steps}",
                point.bet,
                point.user,
                *(_quotient("value", point.figures.get(name)) for name in FIGURES),
            )
            for point in points
        ],
    )


def pareto_table(offers: Sequence[MethodCost]) -> str:
    """One row per method, with the NLL of each user's held-out text."""
    users = tuple(offers[0].nll)
    head = ("method", "trained values", "bytes", "seconds", *(f"NLL, {user}" for user in users))
    return markdown_table(
        (*head, "dominated by"),
        [
            (
                offer.method,
                f"{offer.trained_values:,}",
                f"{offer.bytes:,}",
                f"{offer.seconds:.1f}",
                *(f"{offer.nll[user]:.5f}" for user in users),
                ", ".join(offer.dominated_by) or NONE,
            )
            for offer in offers
        ],
    )


def sign_table(signs: Mapping[tuple[str, str], str], counts: SignCounts) -> str:
    """The sign of Δ in every cell, and how many cells have which."""
    head = ("user", "slice", "sign of Δ by seed")
    rows = [(user, piece, f"`{found}`") for (user, piece), found in signs.items()]
    ties = f", {counts.ties} ties" if counts.ties else ""
    return (
        f"{markdown_table(head, rows)}\n\n{counts.above} cells above 0, {counts.below} "
        f"below{ties}. Cells {_SHARED}."
    )


def near_table(slices: Sequence[SliceDivergence], order: RankCorrelation) -> str:
    """Slices from nearest to farthest, each with its Δ, and the rank correlation."""
    head = ("user", "slice", "divergence, nats", "Δ, nats per token")
    rows = [(s.user, s.slice, f"{s.divergence:.4f}", f"{s.delta:+.5f}") for s in slices]
    agree = ", ".join(
        f"{agreeing} of {pairs} {words}"
        for words, (agreeing, pairs) in (
            ("within users", order.within),
            ("between users", order.between),
        )
    )
    return (
        f"{markdown_table(head, rows)}\n\nKendall's τ of Δ with nearness {order.tau:+.2f}; "
        f"pairs whose nearer slice has the larger Δ: {agree}. Slices {_SHARED}."
    )


def sampling_sentence(found: Sequence[Cell]) -> str:
    """Say how much variance comes from sampling tokens, which all seeds on one text share."""
    errors = [cell.se for cell in found if cell.se is not None]
    if not errors:
        return "No cell has a standard error of its own."
    square = fmean(error**2 for error in errors)
    return (
        f"The tokens of a cell alone give its Δ a variance of {square:.3g} nats² (mean square of "
        f"the standard errors of {len(errors)} cells). All seeds share those tokens, so it is in "
        "the part of slices."
    )


def part_table(parts: Sequence[VarianceComponent]) -> str:
    """The parts of Δ's variance. Shares are of their sum, where a part below 0 counts as 0."""
    whole = sum(max(0.0, part.variance) for part in parts)
    head = ("part", "variance, nats²", "standard deviation", "share", "mean square", "freedom")
    return markdown_table(
        head,
        [
            (
                part.name,
                f"{part.variance:.3g}",
                f"{part.variance**0.5:.3g}" if part.variance >= 0 else NONE,
                f"{max(0.0, part.variance) / whole:.0%}" if whole else NONE,
                f"{part.mean_square:.3g}",
                f"{part.df}",
            )
            for part in parts
        ],
    )
