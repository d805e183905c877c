"""The cells and slices of a result file, where a bet counts less than users."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_noisefloor.stats import Cell, SliceDivergence

from .collection import LoadedResult
from .files import errors_about

MISSING = "·"


def read_cells(found: LoadedResult) -> tuple[Cell, ...]:
    """The cells of a result by cell.

    Raises:
        ResultError: a cell without its seed or slice.
    """
    errors = {one.user: one.delta.se for one in found.verdict.resolved}
    with errors_about(found.path):
        return tuple(
            Cell(
                row["user"],
                row["seed"],
                row["slices"][0]["slice"],
                effect.delta,
                errors.get(effect.user),
            )
            for row, effect in zip(found.content["users"], found.verdict.effects, strict=True)
        )


def signs(found: Sequence[Cell]) -> dict[tuple[str, str], str]:
    """By user and slice the sign of Δ under each seed, as ``+++-+``.

    0 is a tie; a dot is a cell that repeats another and counts once.
    """
    seeds = sorted({cell.seed for cell in found})
    by_cell = {
        (c.user, c.slice, c.seed): "+" if c.delta > 0 else "-" if c.delta else "0" for c in found
    }
    return {
        (user, piece): "".join(by_cell.get((user, piece, seed), MISSING) for seed in seeds)
        for user, piece in dict.fromkeys((c.user, c.slice) for c in found)
    }


def nearest_first(found: LoadedResult) -> tuple[SliceDivergence, ...]:
    """The slices of a result by pairs, the nearest to its user's training text first.

    Raises:
        ResultError: a row without its slice.
    """
    contrast = found.verdict.bet.contrast
    with errors_about(found.path):
        slices = [
            SliceDivergence(
                row["user"],
                row["slices"][0]["slice"],
                row["divergence"],
                row["mean_nll"][contrast.numerator] - row["mean_nll"][contrast.denominator],
            )
            for row in found.content["users"]
        ]
    return tuple(sorted(slices, key=lambda one: one.divergence))
