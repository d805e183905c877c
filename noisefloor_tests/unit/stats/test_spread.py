"""The spread of trainings: whose seeds it comes from, in which order, and what gives none."""

import math
from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support.bins_planted import CONTRAST
from noisefloor_tests.support.noises import unit
from pytest_noisefloor.stats.spread import Spread, pooled, spreads_of

FILED = Spread(sd=0.5, df=8.0, source="filed", sha256="f" * 64)


def of_means(user, part="", **means):
    """A unit whose arms have these mean NLL, one a seed."""
    one = unit(real=np.zeros((1, 2)))
    sums = {arm: np.array(of)[:, None] * one.tokens for arm, of in means.items()}
    return replace(one, user=f"{user}{part}", owner=user, part=part, sums=one.sums | sums)


def of_real(units, *, filed=()):
    return [known.get("real") for known in spreads_of(units, CONTRAST, filed)]


def test_standard_deviations_are_pooled_by_their_variances_and_degrees_of_freedom():
    assert pooled([(1.0, 4.0), (2.0, 2.0)]) == (pytest.approx(math.sqrt((4 * 1 + 2 * 4) / 6)), 6)
    assert pooled([]) is None


def test_three_seeds_of_a_unit_give_its_own_spread_whatever_others_and_files_say():
    """1, 2 and 6 have a standard deviation of √7."""
    units = [of_means("ann", real=[1, 2, 6]), of_means("bob", real=[0, 9, 99])]
    ann, _ = of_real(units, filed=[{"real": FILED}] * 2)
    assert ann == Spread(sd=pytest.approx(math.sqrt(7)), df=2.0, source="own seeds")


def test_two_seeds_are_pooled_over_the_other_users_and_never_with_ones_own():
    """Of two seeds the variance is half the squared difference: 2, 8 and 50."""
    means = {"ann": [1, 3], "bob": [1, 5], "cat": [0, 10]}
    units = [of_means(user, real=of) for user, of in means.items()]
    expected = [math.sqrt((8 + 50) / 2), math.sqrt((2 + 50) / 2), math.sqrt((2 + 8) / 2)]
    found = of_real(units, filed=[{"real": FILED}] * 3)
    assert [one.sd for one in found] == pytest.approx(expected)
    assert {(one.df, one.source) for one in found} == {(2.0, "other users")}


def test_one_seed_has_the_spread_of_a_file_or_none():
    one = of_means("ann", real=[1])
    assert of_real([one], filed=[{"real": FILED}]) == [FILED]
    assert of_real([one], filed=[{"random": FILED}]) == of_real([one]) == [None]
    two = of_means("ann", real=[1, 2])  # alone, with nobody to pool over
    assert of_real([two], filed=[{"real": FILED}]) == [FILED]


def test_each_arm_has_a_spread_of_its_own_and_the_base_has_none():
    one = of_means("ann", real=[1, 2, 3], random=[0, 10, 20], oracle=[5, 5.5, 6])
    (found,) = spreads_of([one], CONTRAST)
    assert {arm: known.sd for arm, known in found.items()} == pytest.approx(
        {"real": 1.0, "random": 10.0, "oracle": 0.5}
    )


def test_cells_of_one_user_and_slice_are_each_others_seeds():
    """Of two slices: the other slice's cells are not replicates of the first slice's."""
    cells = [
        of_means("ann", part, real=[mean])
        for part, means in (("core", [1, 2, 6]), ("tools", [10, 20]))
        for mean in means
    ]
    core, tools = Spread(sd=pytest.approx(math.sqrt(7)), df=2.0, source="own seeds"), None
    assert of_real(cells) == [core] * 3 + [tools] * 2


def test_slices_of_another_user_share_trainings_and_add_no_degrees_of_freedom():
    """Variances 1 and 9 of three seeds each, of one user: 5, with 2 degrees of freedom, not 4."""
    others = [
        of_means("bob", part, real=[mean])
        for part, step in (("one", 1), ("two", 3))
        for mean in (0, step, 2 * step)
    ]
    (found, *_) = of_real([of_means("ann", "core", real=[7]), *others])
    assert found == Spread(sd=pytest.approx(math.sqrt(5)), df=2.0, source="other users")


# --- cheats ------------------------------------------------------------------------------------


def test_seeds_that_repeat_are_no_replicates():
    """Three cells with the same scores, or two that differ, are no three seeds."""
    same = [of_means("ann", "core", real=[1]) for _ in range(3)]
    assert of_real(same) == [None] * 3
    two = [*same, of_means("ann", "core", real=[2])]
    assert of_real(two) == [None] * 4
    three = of_real([*two, of_means("ann", "core", real=[6])])
    assert three[0] == Spread(sd=pytest.approx(math.sqrt(7)), df=2.0, source="own seeds")


def test_seeds_whose_means_agree_to_the_last_bit_have_no_spread_of_0():
    """Scores that were moved from bin to bin, so that nothing but the mean is kept."""
    one = of_means("ann", real=[1, 1, 1])
    moved = np.array([[1.0, -1.0], [2.0, -2.0], [4.0, -4.0]])
    cheat = replace(one, sums=one.sums | {"real": one.sums["real"] + moved})
    assert of_real([cheat, of_means("bob", real=[1])]) == [None, None]
