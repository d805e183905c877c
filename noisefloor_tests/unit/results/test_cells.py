"""Seeds and slices: signs, the test over them, and the variance of Δ split by its sources."""

import numpy as np
import pytest

from noisefloor_tests.support.results_by_hand import found
from pytest_noisefloor.results.cells import read_cells, signs
from pytest_noisefloor.results.files import ResultError
from pytest_noisefloor.stats.significance import sign_test
from pytest_noisefloor.stats.variance import Cell, variance_components


def grid(deltas, user="ann"):
    """Cells of one user from (slices, seeds) of Δ."""
    return [
        Cell(user, seed, f"slice{at}", float(delta))
        for at, row in enumerate(deltas)
        for seed, delta in enumerate(row)
    ]


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
            "slices": [{"slice": unit.split(", ", 2)[2]}],
        }
        for unit in units
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
    with pytest.raises(ResultError, match="key 'seed' is missing"):
        read_cells(result)


def test_a_cell_that_counts_once_leaves_a_dot():
    ann = grid([[1, -1, 1], [1, 1, 1]])
    del ann[1]
    assert signs(ann) == {("ann", "slice0"): "+·+", ("ann", "slice1"): "+++"}


def test_the_sign_test_is_exact_two_sided_and_without_ties():
    """12 of 15: 2 × (1 + 15 + 105 + 455) / 2^15."""
    assert sign_test(grid([[1] * 12 + [-1] * 3 + [0]])).p == 2 * 576 / 2**15
    test = sign_test(grid([[1] * 3 + [-1] * 12 + [0]]))
    assert (test.above, test.below, test.ties, test.p) == (3, 12, 1, 2 * 576 / 2**15)
    assert sign_test(grid([[0, 0]])).p == 1


def test_the_parts_of_a_square_by_hand():
    """Slices' means 2 and 6, seeds' 3 and 5, nothing left: mean squares 16, 4 and 0."""
    found = {part.name: part for part in variance_components(grid([[1, 3], [5, 7]]))}
    assert list(found) == ["slice", "seed", "left"]
    assert [part.mean_square for part in found.values()] == [16, 4, 0]
    assert [part.variance for part in found.values()] == [8, 2, 0]
    assert [part.df for part in found.values()] == [1, 1, 1]


def test_the_parts_are_those_that_simulated_deltas_were_made_of():
    """5 standard errors either way: a false alarm in 2e-6 of runs, for four parts."""
    rng = np.random.default_rng(60)
    truth = {"user": 4.0, "slice": 1.0, "seed": 0.5, "left": 0.25}
    users, slices, seeds, trials = 3, 4, 5, 400
    estimates = {name: [] for name in truth}
    for _ in range(trials):
        deltas = (
            rng.normal(0, truth["user"] ** 0.5, (users, 1, 1))
            + rng.normal(0, truth["slice"] ** 0.5, (users, slices, 1))
            + rng.normal(0, truth["seed"] ** 0.5, (users, 1, seeds))
            + rng.normal(0, truth["left"] ** 0.5, (users, slices, seeds))
        )
        drawn = [cell for u in range(users) for cell in grid(deltas[u], f"user{u}")]
        for part in variance_components(drawn):
            estimates[part.name].append(part.variance)
    for name, variance in truth.items():
        error = np.std(estimates[name], ddof=1) / trials**0.5
        assert abs(np.mean(estimates[name]) - variance) < 5 * error, name
        assert error < 0.3 * variance  # so that a part taken for another is seen


def test_cells_that_are_missing_or_do_not_vary_have_no_parts():
    with pytest.raises(ValueError, match="not every slice has every seed"):
        variance_components(grid([[1, 3], [5, 7]])[1:])
    with pytest.raises(ValueError, match="not every slice has every seed"):
        variance_components([*grid([[1, 3], [5, 7]]), *grid([[1, 3]], "bob")])
    for deltas in ([[1, 3, 5]], [[1], [2]]):
        with pytest.raises(ValueError, match="fewer than two slices or seeds"):
            variance_components(grid(deltas))
