"""Cells of one user from a square of differences, for tests."""

from pytest_noisefloor.stats.variance import Cell


def grid(deltas, user="ann"):
    """Cells of one user from (slices, seeds) of Δ."""
    return [
        Cell(user, seed, f"slice{at}", float(delta))
        for at, row in enumerate(deltas)
        for seed, delta in enumerate(row)
    ]
