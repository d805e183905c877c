"""Statistics scale, shift and turn round with their arms as their definitions say."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from noisefloor_tests.support.bins_planted import CONTRAST, differing
from pytest_noisefloor.stats.blocks import autocorrelation_time
from pytest_noisefloor.stats.groups import group_interval
from pytest_noisefloor.stats.inference import infer
from pytest_noisefloor.stats.significance import (
    across_users,
    holm,
    minimum_detectable_effect,
    tost,
)
from pytest_noisefloor.stats.spread import spreads_of

# By which floating-point numbers scale without rounding.
FACTORS = st.integers(-8, 8).map(lambda exponent: 2.0**exponent)
SHIFTS = st.floats(-4, 4)
SEEDS = st.integers(0, 1000)

# Sums of 128 bins of some hundred nats round to 128 × 2⁻⁵³ of 10⁴; in a mean and its error that is
# below 1e-11 nats per token, and intervals are 1e-3 wide and more.
ROUNDING = 1e-11

DRAWN = settings(max_examples=10)


def drawn(seed, seeds=1):
    rng = np.random.default_rng(seed)
    return differing(rng, rho=0.5, true=0.1, seeds=seeds, spread=0.01)


def changed(bins, **sums):
    return replace(bins, sums=bins.sums | sums)


def interval(bins, over="random", under="real"):
    """With the spread of the unit's own seeds, where it has three."""
    return group_interval(bins, over, under, spreads_of([bins], CONTRAST)[0])


def figures(found):
    return [found.estimate, found.low, found.high, found.se]


@pytest.mark.parametrize("seeds", [1, 3])
@DRAWN
@given(seed=SEEDS, factor=FACTORS)
def test_intervals_scale_with_the_scores_to_the_last_bit(seeds, seed, factor):
    one = drawn(seed, seeds)
    scaled = interval(changed(one, **{a: s * factor for a, s in one.sums.items()}))
    usual = interval(one)
    assert figures(scaled) == [factor * figure for figure in figures(usual)]
    assert (scaled.df, scaled.p, scaled.groups) == (usual.df, usual.p, usual.groups)


@pytest.mark.parametrize("seeds", [1, 3])
@DRAWN
@given(seed=SEEDS, shift=SHIFTS)
def test_intervals_shift_with_one_arm_and_stay_as_wide(seeds, seed, shift):
    one = drawn(seed, seeds)
    usual = figures(interval(one))
    worse = changed(one, random=one.sums["random"] + shift * one.tokens)
    expected = [*(figure + shift for figure in usual[:3]), usual[3]]
    np.testing.assert_allclose(figures(interval(worse)), expected, rtol=0, atol=ROUNDING)


@DRAWN
@given(seed=SEEDS)
def test_what_is_hard_under_both_arms_alike_changes_no_interval(seed):
    one = drawn(seed)
    hard = np.random.default_rng(seed).gamma(2, 100, one.tokens.shape)
    both = changed(one, real=one.sums["real"] + hard, random=one.sums["random"] + hard)
    found = (figures(interval(bins)) for bins in (one, both))
    np.testing.assert_allclose(*found, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("seeds", [1, 3])
@DRAWN
@given(seed=SEEDS)
def test_exchanging_the_arms_turns_the_interval_round(seeds, seed):
    one = drawn(seed, seeds)
    there, back = interval(one), interval(one, "real", "random")
    assert (back.estimate, back.se) == (-there.estimate, there.se)
    np.testing.assert_allclose([back.low, back.high], [-there.high, -there.low], atol=ROUNDING)


@DRAWN
@given(seed=SEEDS, factor=FACTORS, shifts=st.lists(SHIFTS, min_size=3, max_size=3))
def test_an_autocorrelation_time_knows_neither_scale_nor_level(seed, factor, shifts):
    series = [*np.random.default_rng(seed).normal(size=(3, 200)).cumsum(axis=1)]
    moved = [factor * x + factor * shift for x, shift in zip(series, shifts, strict=True)]
    usual = autocorrelation_time(series)
    assert autocorrelation_time(moved) == pytest.approx(usual, rel=1e-9)


@pytest.mark.parametrize("seeds", [1, 2, 3])
@DRAWN
@given(seed=SEEDS, order=st.permutations(range(4)))
def test_the_order_of_users_changes_no_interval_and_no_spread(seeds, seed, order):
    """The spread of all others is a sum in another order; nothing else may differ."""
    users = [replace(drawn(seed + at, seeds), user=f"u{at}") for at in range(4)]
    usual = infer(users, CONTRAST, margin=0.1, spreads=spreads_of(users, CONTRAST))
    moved = [users[at] for at in order]
    found = infer(moved, CONTRAST, margin=0.1, spreads=spreads_of(moved, CONTRAST))
    for one, at in zip(found, order, strict=True):
        assert one.user == usual[at].user
        np.testing.assert_allclose(figures(one.delta), figures(usual[at].delta), rtol=1e-12)


# --- tests -------------------------------------------------------------------------------------

# Up to 13 users the test is exact. Sums that are equal by other roundings would count as smaller or
# not by chance, so these are whole numbers.
WHOLE = arrays.arrays(np.float64, st.integers(1, 7), elements=st.integers(-50, 50))


@given(WHOLE, FACTORS, st.randoms(use_true_random=False), st.data())
def test_across_users_knows_neither_scale_nor_order_and_a_better_user_never_hurts(
    deltas, factor, random, data
):
    p = across_users([*deltas])
    assert p == across_users([*(factor * deltas)])
    assert p == across_users(random.sample([*deltas], len(deltas)))
    better = deltas.copy()
    better[data.draw(st.integers(0, len(deltas) - 1))] += data.draw(st.integers(0, 50))
    assert across_users([*better]) <= p


PS = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(PS, st.data())
def test_holm_keeps_the_order_of_what_it_adjusts_and_never_lowers_it(ps, data):
    order = data.draw(st.permutations(range(len(ps))))
    adjusted = holm(ps)
    assert holm([ps[i] for i in order]) == tuple(adjusted[i] for i in order)
    assert all(p <= q <= min(1, len(ps) * p) for p, q in zip(ps, adjusted, strict=True))
    ranked = sorted(zip(ps, adjusted, strict=True))
    assert [q for _, q in ranked] == sorted(adjusted)


@DRAWN
@given(seed=SEEDS, factor=FACTORS, margin=st.floats(0.01, 1))
def test_equivalence_and_the_detectable_effect_scale_with_the_noise(seed, factor, margin):
    one = interval(drawn(seed))
    scaled = replace(one, estimate=factor * one.estimate, se=factor * one.se)
    assert tost(scaled, factor * margin) == tost(one, margin)
    assert tost(replace(one, estimate=-one.estimate), margin) == tost(one, margin)
    assert minimum_detectable_effect(scaled) == factor * minimum_detectable_effect(one)
    assert tost(one, 2 * margin) <= tost(one, margin)
    assert math.isclose(tost(one, abs(one.estimate)), 0.5)
