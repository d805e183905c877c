"""The contrast of a bet: which arm is over which, what it controls for, and what its unit asks."""

import math
from dataclasses import replace

import pytest

from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.stats.contrast import StatisticsError
from pytest_noisefloor.stats.effect import Effect

CONTRAST = registered_bet("bet60").contrast


def test_the_contrast_says_which_arm_is_over_which():
    other = replace(CONTRAST, numerator="oracle", reach="random")
    nll = {"real": 1.0, "random": 5.0, "oracle": 3.0, "untrained": 2.0}
    one = Effect(user="ann", nll=nll, contrast=other)
    assert (one.delta, one.winner) == (2.0, "real")
    assert (one.harm, one.help) == (math.exp(1), math.exp(1))


@pytest.mark.parametrize(
    ("numerator", "denominator", "controlled"),
    [
        ("random", "real", True),
        ("random | other", "real", True),
        ("random@5e-4", "real", False),
        ("random", "full/real", False),
        ("full/random", "full/real", True),
        ("real", "random", False),
        ("other", "real", False),
        ("untrained", "real", False),
        ("random", "real | shuffled", False),
    ],
)
def test_only_random_tokens_by_the_same_method_control_for_regularisation(
    numerator, denominator, controlled
):
    method = "full" if {numerator, denominator} == {"full/random", "full/real"} else "norm-only"
    contrast = replace(CONTRAST, numerator=numerator, denominator=denominator)
    bet = replace(registered_bet("bet60"), method=method, contrast=contrast)
    assert bet.controlled == controlled


POOLED, LOGARITHM, EACH, CELLS = (
    *("pooled by tokens", "mean of the logarithm", "each a unit"),
    "user, seed and slice",
)
PAIRS, NEARER = "pair of slices", "nearer over farther"
UNITS = f"'user' or '{CELLS}' or '{PAIRS}'"


@pytest.mark.parametrize(
    ("unit", "slices", "seeds", "refusal"),
    [
        ("user", POOLED, LOGARITHM, None),
        (CELLS, EACH, EACH, None),
        ("user", EACH, LOGARITHM, f"slices = '{EACH}'; expected '{POOLED}'"),
        ("user", POOLED, EACH, f"seeds = '{EACH}'; expected '{LOGARITHM}'"),
        (CELLS, POOLED, EACH, f"slices = '{POOLED}'; expected '{EACH}'"),
        (CELLS, EACH, LOGARITHM, f"seeds = '{LOGARITHM}'; expected '{EACH}'"),
        (PAIRS, NEARER, LOGARITHM, None),
        (PAIRS, POOLED, LOGARITHM, f"slices = '{POOLED}'; expected '{NEARER}'"),
        ("slice", POOLED, LOGARITHM, f"unit = 'slice'; expected {UNITS}"),
        ("zone", EACH, EACH, f"unit = 'zone'; expected {UNITS}"),
    ],
)
def test_a_unit_has_its_own_way_with_slices_and_seeds_and_no_other(unit, slices, seeds, refusal):
    if refusal is None:
        one = replace(CONTRAST, unit=unit, slices=slices, seeds=seeds)
        found = (one.by_user, one.by_cell, one.by_pair)
        assert found == (unit == "user", unit == CELLS, unit == PAIRS)
        return
    with pytest.raises(StatisticsError) as caught:
        replace(CONTRAST, unit=unit, slices=slices, seeds=seeds)
    assert str(caught.value) == refusal
