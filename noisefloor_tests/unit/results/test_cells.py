"""Cells: read from a result, with the sign of each seed."""

import pytest

from noisefloor_tests.support.cells_by_hand import grid
from noisefloor_tests.support.results_by_hand import found, slice_record
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.results.cells import read_cells, signs
from pytest_noisefloor.results.files import ResultError
from pytest_noisefloor.stats.effect import Effect


def _slice(name, nll):
    effect = Effect(user=name, nll=nll, contrast=registered_bet("bet46").contrast)
    return slice_record(name, effect, 64, {})


def test_cells_are_read_from_a_result_by_cell():
    units = {
        f"programmer, seed {seed}, {piece}": {
            "untrained": 4.0,
            "real": 3.9,
            "full/real": 3.9 + (seed - 1) / 100,
            "oracle": 3.5,
        }
        for seed in (0, 1, 12)
        for piece in ("a, seed 7, b", "core")
    }
    rows = [
        {
            "user": "programmer",
            "unit": unit,
            "seed": int(unit.split(", ")[1].removeprefix("seed ")),
            "slices": [_slice(unit.split(", ", 2)[2], nll)],
        }
        for unit, nll in units.items()
    ]
    result = found("bet46", units, rows=rows)
    read = read_cells(result)
    assert [(cell.seed, cell.slice) for cell in read] == [
        (seed, piece) for seed in (0, 1, 12) for piece in ("a, seed 7, b", "core")
    ]
    assert [cell.delta for cell in read[::2]] == pytest.approx([-0.01, 0, 0.11])
    assert signs(read) == {
        ("programmer", "a, seed 7, b"): "-0+",
        ("programmer", "core"): "-0+",
    }
    del result.content["users"][0]["seed"]
    with pytest.raises(ResultError, match="seed 0, a, seed 7, b: key 'seed' is missing"):
        read_cells(result)


def test_a_cell_that_counts_once_leaves_a_dot():
    ann = grid([[1, -1, 1], [1, 1, 1]])
    del ann[1]
    assert signs(ann) == {("ann", "slice0"): "+·+", ("ann", "slice1"): "+++"}
