"""The summary: every registered bet with its result, and what the results say together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_noisefloor._files import write_atomically
from pytest_noisefloor.bets import bet_roles
from pytest_noisefloor.results import (
    SUMMARY_NAME,
    BudgetPoint,
    Collection,
    LadderRung,
    Matrix,
    MethodCost,
    budget,
    collection_rows,
    interval_part,
    ladders,
    matrix,
    nearest_first,
    pareto,
    read_cells,
    read_collection,
    signs,
)
from pytest_noisefloor.stats import (
    Cell,
    SliceDivergence,
    VarianceComponent,
    rank_correlation,
    sign_counts,
    variance_components,
)

from . import figures
from . import summary_tables as tables

SUMMARY_SCHEMA = 2
"""Version of the layout of SUMMARY.json, which docs/results.md describes."""

LEGEND = (
    "Levels are by each bet's own bars, which stand beside them, on what that bet compares: "
    "CATASTROPHIC of 37 says that full fine-tuning is estimated better. A level by points may not "
    "be claimed. A figure without brackets has no interval, its text being too short or too few of "
    "its tokens independent. LENIENT's reach is by help."
)


@dataclass(frozen=True, kw_only=True)
class BaseSummary:
    """What the results on one base say together. A part without results is empty or None."""

    base: str
    ladders: Mapping[str, tuple[LadderRung, ...]]
    matrix: Matrix | None
    budget: tuple[BudgetPoint, ...]
    pareto: tuple[MethodCost, ...]
    cells: Mapping[str, tuple[Cell, ...]]
    slices: Mapping[str, tuple[SliceDivergence, ...]]


@dataclass(frozen=True)
class Summary:
    """The rows of all bets, the counts of left-out files, and the summary of each base."""

    rows: list[dict[str, Any]]
    left_out: Mapping[str, int]
    bases: tuple[BaseSummary, ...]


def summarise(folder: Path) -> str:
    """Write ``results/SUMMARY.md`` and ``.json`` for a folder's results. Returns SUMMARY.md's text.

    Pictures are written too if they can be drawn. Nothing is written unless everything could be
    made.

    Raises:
        ResultError: as for ``read_collection``, or results do not fit together.
    """
    summary = summarised(read_collection(folder))
    content = json.dumps(record(summary), indent=1, ensure_ascii=False)
    drawn = _pictures(summary) if figures.can_draw() else {}
    shown = [f"![{name}]({name})" for name in sorted(drawn) if name.endswith(".png")]
    text = "\n\n".join([*render_summary(summary), *shown]) + "\n"
    files = {f"{SUMMARY_NAME}.md": text.encode(), f"{SUMMARY_NAME}.json": f"{content}\n".encode()}
    for name, written in (files | drawn).items():
        write_atomically(folder / "results" / name, written)
    return text


def _pictures(summary: Summary) -> dict[str, bytes]:
    """Draw all pictures that there are results for. Returns files by name."""
    ladders = {one.base: one.ladders for one in summary.bases if one.ladders}
    curves = {one.base: one.budget for one in summary.bases if one.budget}
    drawn = {
        "ladder": figures.draw_ladders(ladders) if ladders else {},
        "budget": figures.draw_budget(curves) if curves else {},
    }
    return {f"{name}.{kind}": file for name, files in drawn.items() for kind, file in files.items()}


def summarised(collection: Collection) -> Summary:
    """Gather all that a summary says.

    Raises:
        ResultError: results do not fit together, or lack what the summary needs.
    """
    bases = tuple(_on_base(collection, base) for base in collection.bases)
    return Summary(collection_rows(collection), collection.left_out, bases)


def _on_base(collection: Collection, base: str) -> BaseSummary:
    found = collection.on(base)
    points, roles = budget(found), bet_roles()
    return BaseSummary(
        base=base,
        ladders=ladders(found),
        matrix=matrix(found[roles.matrix]) if roles.matrix in found else None,
        budget=points if len({point.bet for point in points}) > 1 else (),
        pareto=pareto(found[roles.pareto]) if roles.pareto in found else (),
        cells={b: read_cells(one) for b, one in found.items() if one.verdict.bet.contrast.by_cell},
        slices={
            b: nearest_first(one) for b, one in found.items() if one.verdict.bet.contrast.by_pair
        },
    )


# --- as JSON ----------------------------------------------------------------------------------


def record(summary: Summary) -> dict[str, Any]:
    """The content of SUMMARY.json; docs/results.md describes it."""
    return {
        "schema": SUMMARY_SCHEMA,
        "bets": summary.rows,
        "left_out": dict(summary.left_out),
        "bases": {one.base: _base_record(one) for one in summary.bases},
    }


def _base_record(one: BaseSummary) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ladder": {user: [_rung_record(r) for r in rungs] for user, rungs in one.ladders.items()},
        "matrix": one.matrix and _matrix_record(one.matrix),
        "budget": [asdict(point) | {"budget": point.budget} for point in one.budget],
        "pareto": [asdict(offer) for offer in one.pareto],
        "cells": {bet: _cells_record(of) for bet, of in one.cells.items()},
        "slices": {
            bet: {"near": [asdict(near) for near in of], "order": asdict(rank_correlation(of))}
            for bet, of in one.slices.items()
        },
    }
    return {key: value for key, value in found.items() if value}


def _rung_record(rung: LadderRung) -> dict[str, Any]:
    role = next((role for role in bet_roles().ladder if role.rung == rung.name), None)
    bet, label = (role.bet, role.label) if role else (None, rung.name)
    interval = rung.interval and interval_part(rung.interval).model_dump(by_alias=True)
    return asdict(rung) | {"bet": bet, "label": label, "interval": interval}


def _matrix_record(matrix: Matrix) -> dict[str, Any]:
    return asdict(matrix) | {"perplexity": matrix.perplexity, "over_mean": matrix.over_mean}


def _renamed(one: Cell | VarianceComponent, **keys: str) -> dict[str, Any]:
    """A dataclass as a dict with the file's keys, some of which are older than the field names."""
    return {keys.get(name, name): value for name, value in asdict(one).items()}


def _cells_record(of: tuple[Cell, ...]) -> dict[str, Any]:
    found, why = _parts(of)
    return {
        "delta": [_renamed(cell, se="error") for cell in of],
        "signs": [
            {"user": user, "slice": piece, "signs": by_seed}
            for (user, piece), by_seed in signs(of).items()
        ],
        "counts": asdict(sign_counts(of)),
        "variance": [_renamed(part, df="freedom") for part in found],
        "no_variance": why,
    }


def _parts(of: tuple[Cell, ...]) -> tuple[Any, str]:
    try:
        return variance_components(of), ""
    except ValueError as reason:
        return (), str(reason)


# --- in words ---------------------------------------------------------------------------------


def render_summary(summary: Summary) -> list[str]:
    """The parts of SUMMARY.md: headings, tables and sentences."""
    said = ["# What came of the registered bets", tables.bet_table(summary.rows), LEGEND]
    if summary.left_out:
        counts = ", ".join(f"{n} {what}" for what, n in summary.left_out.items())
        said.append(f"Left out: {counts}.")
    for one in summary.bases:
        said += _render_base(one)
    return said


def _render_base(one: BaseSummary) -> list[str]:
    said = []
    if one.ladders:
        said += [
            f"## The control ladder on {one.base}",
            "Gain over the untrained base in nats per token with its 95 % interval, and its share "
            "of what the user's own text gains.",
            tables.ladder_table(one.ladders),
        ]
    if one.matrix:
        said += [
            f"## Every adapter on every user, on {one.base}",
            "Perplexity, and nats per token over the mean of the column.",
            tables.matrix_table(one.matrix),
        ]
    if one.budget:
        said += [f"## The budget curve on {one.base}", tables.budget_table(one.budget)]
    if one.pareto:
        said += [
            f"## Methods on {one.base}: quality, size and time",
            "A method is dominated by one that is no worse for every user and no larger, and "
            "better in one of these; point estimates. Seconds are wall times of a training where "
            "it ran: what else ran there is in them.",
            tables.pareto_table(one.pareto),
        ]
    for bet, of in one.cells.items():
        found, why = _parts(of)
        said += [f"## Bet {bet} by seed and slice, on {one.base}"]
        said += [tables.sign_table(signs(of), sign_counts(of))]
        said += [tables.part_table(found) if found else f"No split of the variance: {why}."]
        said += [tables.sampling_sentence(of)]
    for bet, nearest in one.slices.items():
        said += [f"## Bet {bet} by slice, on {one.base}"]
        said += [tables.near_table(nearest, rank_correlation(nearest))]
    return said
