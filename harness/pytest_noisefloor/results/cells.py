"""The cells and slices of a result file whose bet counts units smaller than users."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_noisefloor.stats import Cell, Interval, SliceDivergence

from .collection import LoadedResult
from .files import errors_about

LEFT_OUT = "·"


def read_cells(found: LoadedResult) -> tuple[Cell, ...]:
    """Read the cells of a result whose bet counts cells.

    Raises:
        ResultError: a cell has no seed or slice.
    """
    errors = {one.user: _of_tokens(one.delta) for one in found.verdict.resolved}
    with errors_about(found.path):
        return tuple(
            Cell(
                row.user,
                row.given("seed", row.seed),
                row.piece.slice,
                effect.delta,
                errors.get(effect.user),
            )
            for row, effect in zip(found.file.users, found.verdict.effects, strict=True)
        )


def _of_tokens(interval: Interval) -> float:
    """Return the part of a standard error that comes from tokens."""
    return math.sqrt(max(0.0, interval.se**2 - interval.spread_se**2))


def signs(found: Sequence[Cell]) -> dict[tuple[str, str], str]:
    """Return the sign of Δ under each seed, such as ``+++-+``, by user and slice.

    ``0`` is a tie. A dot is a cell that is left out because it repeats another.
    """
    seeds = sorted({cell.seed for cell in found})
    by_cell = {
        (c.user, c.slice, c.seed): "+" if c.delta > 0 else "-" if c.delta else "0" for c in found
    }
    return {
        (user, piece): "".join(by_cell.get((user, piece, seed), LEFT_OUT) for seed in seeds)
        for user, piece in dict.fromkeys((c.user, c.slice) for c in found)
    }


def nearest_first(found: LoadedResult) -> tuple[SliceDivergence, ...]:
    """Read the slices of a result whose bet counts pairs, the nearest to the training text first.

    The training text is that of the slice's user.

    Raises:
        ResultError: a row has no slice.
    """
    contrast = found.verdict.bet.contrast
    with errors_about(found.path):
        slices = [
            SliceDivergence(
                row.user,
                row.piece.slice,
                row.given("divergence", row.divergence),
                row.nll(contrast.numerator) - row.nll(contrast.denominator),
            )
            for row in found.file.users
        ]
    return tuple(sorted(slices, key=lambda one: one.divergence))
