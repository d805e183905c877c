"""Tests of significance: exact p values, Holm's correction, and equivalence within a margin."""

import math
from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support.bins_planted import CONTRAST, differing, replace_seeds
from noisefloor_tests.support.cells_by_hand import grid
from pytest_noisefloor.stats.groups import group_interval
from pytest_noisefloor.stats.significance import across_users, holm, sign_counts, tost, users_needed
from pytest_noisefloor.stats.spread import spreads_of


def test_equivalence_counts_the_spread_between_seeds():
    """Each seed by itself lies well within the margin; three that differ by as much do not."""
    rng = np.random.default_rng(60)
    three = differing(rng, rho=0.0, seeds=3, spread=0.15)
    margin = math.log(1.1)
    (spreads,) = spreads_of([three], CONTRAST)
    whole = group_interval(three, "random", "real", spreads)
    assert abs(whole.estimate) < margin
    assert tost(whole, margin) > 0.05
    alone = replace_seeds(three, 1)
    centred = replace(group_interval(alone, "random", "real", {}), estimate=whole.estimate)
    assert tost(centred, margin) < 0.05


@pytest.mark.parametrize(
    ("deltas", "p"),
    [
        ([2], 1 / 2),
        ([-2], 1.0),
        ([1, 1, 1], 1 / 8),
        ([1, 2, -0.5], 2 / 8),
        ([-1, -1, -1], 1.0),
        ([1] * 5, 1 / 32),
    ],
)
def test_across_users_the_sign_flip_is_exact(deltas, p):
    assert across_users(deltas) == p


def test_three_users_can_never_be_enough_and_five_can():
    assert users_needed() == 5
    assert across_users([9.0] * users_needed()) < 0.05 <= across_users([9.0] * 4)


def test_holm_is_holms():
    assert holm([0.01, 0.04, 0.03]) == (0.03, 0.06, 0.06)
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([]) == ()


def test_equivalence_is_shown_for_a_small_resolved_effect_and_for_no_other():
    rng = np.random.default_rng(60)
    margin = math.log(1.1)
    small = group_interval(differing(rng, rho=0.0, true=0.01), "random", "real", {})
    at_bar = group_interval(differing(rng, rho=0.0, true=margin + 0.02), "random", "real", {})
    vague = replace(small, se=0.1)
    assert tost(small, margin) < 0.05
    assert tost(at_bar, margin) > 0.05
    assert tost(vague, margin) > 0.05  # absence of evidence


def test_signs_of_cells_are_counted_above_below_and_tied():
    found = sign_counts(grid([[1] * 12 + [-1] * 3 + [0]]))
    assert (found.above, found.below, found.ties) == (12, 3, 1)
