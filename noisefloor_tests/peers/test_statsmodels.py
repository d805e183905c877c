"""Agreement with statsmodels: equivalence, Holm, power and Clopper–Pearson on the same numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noisefloor_tests.support.bins_planted import differing
from noisefloor_tests.support.peer_modules import peer
from pytest_noisefloor.bets.error_rates import rate_bounds
from pytest_noisefloor.stats.blocks import BIN_TOKENS
from pytest_noisefloor.stats.groups import group_interval
from pytest_noisefloor.stats.significance import holm, minimum_detectable_effect, tost

# tiny leaves one thread to this process, which is all that small models need
pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("tiny")]


def test_statsmodels_finds_the_same_interval_and_equivalence(skewed):
    """On groups of one size, where the linearised error is the plain one."""
    describe = peer("statsmodels.stats.weightstats").DescrStatsW
    bins = (skewed.sums["random"] - skewed.sums["real"])[0]
    found = describe(bins.reshape(6, -1).mean(axis=1) / BIN_TOKENS)
    ours = group_interval(skewed, "random", "real", {})
    assert ours.estimate == pytest.approx(found.mean, rel=1e-12)
    assert (ours.low, ours.high) == pytest.approx(found.tconfint_mean(0.05), rel=1e-9)
    assert ours.p == pytest.approx(found.ttest_mean(0)[1], rel=1e-9)
    for margin in (0.5 * ours.estimate, ours.estimate, 1.1 * ours.estimate, 3 * ours.estimate):
        p, _, _ = found.ttost_mean(-margin, margin)
        assert tost(ours, margin) == pytest.approx(p, rel=1e-9)


@pytest.fixture(scope="module")
def multitest():
    return peer("statsmodels.stats.multitest")


@settings(max_examples=10)  # it collects garbage in every call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_statsmodels_finds_the_same_holm(multitest, ps):
    adjusted = multitest.multipletests(ps, method="holm")[1]
    np.testing.assert_allclose(holm(ps), adjusted, rtol=1e-12, atol=0)


def test_statsmodels_needs_the_same_effect_for_the_same_power():
    """Bloom's sum of two quantiles, against the power of the noncentral t: equal to 1e-3 at 384
    blocks, and to 1 % at 20.
    """
    power = peer("statsmodels.stats.power").TTestPower()
    one = group_interval(differing(np.random.default_rng(60), rho=0.0), "random", "real", {})
    for blocks, bar in ((384, 1e-3), (20, 1e-2)):
        ours = minimum_detectable_effect(replace(one, df=blocks - 1.0)) / (
            one.se * math.sqrt(blocks)
        )
        theirs = power.solve_power(nobs=blocks, alpha=0.05, power=0.8)
        assert ours == pytest.approx(theirs, rel=bar)
        other = power.solve_power(nobs=blocks, alpha=0.05, power=0.81)
        assert abs(ours / other - 1) > bar


@pytest.fixture(scope="module")
def proportion():
    return peer("statsmodels.stats.proportion")


@given(st.integers(1, 500), st.data())
def test_statsmodels_has_the_same_clopper_pearson_bounds(proportion, trials, data):
    hits = data.draw(st.integers(0, trials))
    np.testing.assert_allclose(
        rate_bounds(hits, trials),
        proportion.proportion_confint(hits, trials, method="beta"),
        rtol=1e-8,
        atol=1e-12,
    )
