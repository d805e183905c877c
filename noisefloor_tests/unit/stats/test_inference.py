"""What is inferred of a unit: which intervals and tests, and which scores are refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from noisefloor_tests.support.bins_planted import CONTRAST, differing, replace_seeds, slices_p
from pytest_noisefloor.stats.contrast import StatisticsError
from pytest_noisefloor.stats.groups import TooLittleText, group_interval
from pytest_noisefloor.stats.inference import check_replicates, infer
from pytest_noisefloor.stats.significance import between_slices, tost
from pytest_noisefloor.stats.spread import Spread, spreads_of


def test_an_inference_has_the_intervals_and_the_spread_that_it_was_given():
    rng = np.random.default_rng(60)
    one = differing(rng, rho=0.0, seeds=3, spread=0.1)
    spreads = spreads_of([one], CONTRAST)
    (found,) = infer([one], CONTRAST, margin=0.1, spreads=spreads)
    assert found.spreads == spreads[0]
    for interval, over, under in (
        (found.delta, "random", "real"),
        (found.harm, "random", "untrained"),
        (found.help, "untrained", "real"),
    ):
        assert interval == group_interval(one, over, under, spreads[0])
        assert interval.of_trainings
    assert (found.oracle, found.oracle_help) == (None, None)
    assert found.equivalence_p == tost(found.delta, 0.1)
    assert found.noise == (found.delta.se, found.delta.df)


def test_two_trainings_of_an_arm_differ_by_its_spread_times_the_root_of_two():
    """A/A of both arms: from what is known of their spread, else from two seeds."""
    one = replace_seeds(differing(np.random.default_rng(60), rho=0.0, seeds=2, spread=0.1), 2)
    known = {"real": Spread(sd=0.3, df=4.0, source="filed")}
    (found,) = infer([one], CONTRAST, margin=0.1, spreads=[known])
    means = one.sums["random"].sum(axis=1) / one.tokens.sum()
    expected = {"real": math.sqrt(2) * 0.3, "random": abs(means[1] - means[0])}
    assert found.aa == pytest.approx(expected)
    (alone,) = infer([replace_seeds(one, 1)], CONTRAST, margin=0.1, spreads=[known])
    assert alone.aa == pytest.approx({"real": math.sqrt(2) * 0.3})


def test_units_whose_text_is_too_short_are_left_out_unless_all_are():
    rng = np.random.default_rng(1)
    short = differing(rng, lengths=(640,), user="bob")
    found = infer([short, differing(rng)], CONTRAST, margin=0.1, spreads=[{}, {}])
    assert [one.user for one in found] == ["ann"]
    with pytest.raises(TooLittleText, match="user 'bob'"):
        infer([short], CONTRAST, margin=0.1, spreads=[{}])


def test_an_interval_of_help_may_be_missing_beside_one_of_the_ratio():
    """Where the real arm's differences to the base hang together over a whole slice."""
    one = differing(np.random.default_rng(1), rho=0.0)
    wave = np.repeat([1.0, -1.0], 64)[np.arange(384) % 128]
    drifting = {arm: one.sums[arm] + 64 * wave for arm in ("real", "random")}
    (found,) = infer([replace(one, sums=one.sums | drifting)], CONTRAST, margin=0.1, spreads=[{}])
    assert found.delta is not None
    assert (found.help, found.harm) == (None, None)


def test_a_seed_that_changed_nothing_is_refused_behind_a_user_whose_text_is_too_short():
    rng = np.random.default_rng(1)
    short = differing(rng, lengths=(640,), seeds=2)
    one = differing(rng, seeds=2, user="bob")
    copied = replace(one, sums=one.sums | {"real": one.sums["real"][[0, 0]]})
    with pytest.raises(StatisticsError, match="user 'bob', arm real: seeds number 1 and 2 gave"):
        infer([short, copied], CONTRAST, margin=0.1, spreads=[{}, {}])


@pytest.mark.parametrize(("one", "other"), [("real", "random"), ("untrained", "real")])
def test_two_arms_with_the_same_scores_are_refused(one, other):
    drawn = differing(np.random.default_rng(1))
    drawn.sums["real"] += 0.1  # else the helper's real scores are its untrained ones
    same = replace(drawn, sums=drawn.sums | {other: drawn.sums[one]})
    check_replicates(drawn)
    with pytest.raises(StatisticsError, match=f"user 'ann': {one} and {other} gave the same scor"):
        infer([same], CONTRAST, margin=0.1, spreads=[{}])


# --- between slices ----------------------------------------------------------------------------


def test_a_slice_whose_difference_is_another_is_found_whatever_the_mean():
    """By 1.5 nats from two others: nine standard errors of a slice's mean, which is 0.16."""
    one = differing(np.random.default_rng(60), rho=0.9)
    away = np.where(one.slices == one.slices.max(), 1.0, -0.5) * one.tokens
    moved = replace(one, sums=one.sums | {"random": one.sums["random"] + away})
    assert slices_p(one) > 0.05
    assert slices_p(moved) < 0.001


def test_slices_may_vary_by_different_amounts():
    """Of two slices Welch's analysis is his t-test, whose p a pooled variance would miss by far."""
    rng = np.random.default_rng(60)
    calm, wild = rng.normal(0, 1, 40), rng.normal(2, 10, 8)
    welch, pooled = (stats.ttest_ind(calm, wild, equal_var=same).pvalue for same in (False, True))
    assert between_slices([calm, wild]) == pytest.approx(welch)
    assert abs(welch - pooled) > 0.1


@pytest.mark.parametrize("blocks", [[[1, 2]], [[1, 2], [3]], [[1, 2], [3, 3]]])
def test_slices_too_short_to_tell_are_not_told_apart(blocks):
    assert between_slices([np.array(of, dtype=float) for of in blocks]) is None
