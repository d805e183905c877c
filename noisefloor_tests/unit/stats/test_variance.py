"""The variance of Δ split by its sources: by hand, and from deltas of known parts."""

import numpy as np
import pytest

from noisefloor_tests.support.cells_by_hand import grid
from pytest_noisefloor.stats.variance import variance_components


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
