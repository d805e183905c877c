"""Intervals by hand: how text is cut into groups, what each figure is, and what is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from noisefloor_tests.support.bins_planted import differing
from noisefloor_tests.support.noises import unit
from noisefloor_tests.support.results_planted import effects_of, planted_bins
from pytest_noisefloor.stats import groups
from pytest_noisefloor.stats.blocks import BIN_TOKENS
from pytest_noisefloor.stats.groups import TooLittleText, group_interval, groups_a_slice
from pytest_noisefloor.stats.spread import Spread


def own(sd, df):
    return Spread(sd=sd, df=df, source="own seeds")


@pytest.mark.parametrize(
    ("slices", "each"),
    [(1, 6), (2, 4), (3, 4), (4, 3), (5, 2), (6, 2), (7, 1), (12, 1), (13, 1), (40, 1)],
)
def test_three_slices_make_twelve_groups_fewer_never_less_than_six_and_more_one_each(slices, each):
    assert groups_a_slice(slices) == each


@pytest.fixture
def twelve():
    """Three slices of 16 bins in groups of 4, whose means are 1 to 12 nats per token."""
    means = np.repeat(np.arange(1.0, 13.0), 4).reshape(3, 16)
    ripple = np.tile([0.5, -0.5, -0.5, 0.5], 12).reshape(3, 16)
    return unit(real=np.zeros((3, 16)), random=means + ripple)


@pytest.fixture
def no_autocorrelation(monkeypatch):
    monkeypatch.setattr(groups, "autocorrelation_time", lambda _: 1.0)


@pytest.mark.usefixtures("no_autocorrelation")
def test_an_interval_is_students_of_the_means_of_groups(twelve):
    """Mean 6.5, variance 13: the error is √(13 / 12), and t of 11 is 2.20099 at 97.5 %."""
    found = group_interval(twelve, "random", "real", {})
    half = 2.2009851600916384 * math.sqrt(13 / 12)
    assert (found.estimate, found.se) == pytest.approx((6.5, math.sqrt(13 / 12)), rel=1e-12)
    assert (found.low, found.high) == pytest.approx((6.5 - half, 6.5 + half), rel=1e-9)
    assert (found.df, found.groups, found.seeds) == (11, 12, 1)
    assert (found.spread_se, found.of_trainings) == (0, False)
    known = stats.ttest_1samp(np.arange(1.0, 13.0), 0)
    assert found.p == pytest.approx(known.pvalue, rel=1e-9)


@pytest.mark.usefixtures("no_autocorrelation")
def test_groups_of_different_lengths_count_by_their_tokens():
    """Slices of 4 × 3 and 4 × 6 bins: a ratio of sums, with its linearised error."""
    rng = np.random.default_rng(5)
    one = differing(rng, rho=0.0, lengths=(12 * BIN_TOKENS, 24 * BIN_TOKENS))
    bins = (one.sums["random"] - one.sums["real"])[0]
    sums = np.array([*bins[:12].reshape(4, 3).sum(axis=1), *bins[12:].reshape(4, 6).sum(axis=1)])
    tokens = BIN_TOKENS * np.array([3] * 4 + [6] * 4)
    mean = sums.sum() / tokens.sum()
    error = math.sqrt(8 / 7 * ((sums - mean * tokens) ** 2).sum()) / tokens.sum()
    found = group_interval(one, "random", "real", {})
    assert (found.estimate, found.se, found.df) == pytest.approx((mean, error, 7), rel=1e-12)


@pytest.mark.usefixtures("no_autocorrelation")
def test_slices_that_groups_do_not_divide_are_cut_to_a_bin(monkeypatch):
    cut = []
    split = np.array_split

    def noted(bins, number):
        cut.append([len(group) for group in split(bins, number)])
        return split(bins, number)

    monkeypatch.setattr(np, "array_split", noted)
    lengths = (15 * BIN_TOKENS, 14 * BIN_TOKENS + 3, 12 * BIN_TOKENS)
    group_interval(differing(np.random.default_rng(1), lengths=lengths), "random", "real", {})
    assert cut == [[4, 4, 4, 3], [4, 4, 4, 3], [3, 3, 3, 3]]


def test_the_estimate_is_the_point_estimate_that_levels_are_judged_by():
    all_bins = planted_bins({"ann": (1.1, 1.2, 1.3)}, spreads=dict.fromkeys(ARMS, (0, 0.1, 0.2)))
    (effect,) = effects_of(all_bins)
    for over, under, quotient in (
        ("random", "real", effect.ratio),
        ("untrained", "real", effect.help),
        ("random", "untrained", effect.harm),
    ):
        found = group_interval(all_bins[0], over, under, {})
        assert found.ratios[0] == pytest.approx(quotient, rel=1e-12)


ARMS = ("real", "random", "oracle")


# --- the spread of trainings -----------------------------------------------------------------


@pytest.mark.usefixtures("no_autocorrelation")
def test_each_trained_arms_spread_adds_its_variance_over_the_seeds(twelve):
    """Two seeds: Var = SE² + σ²/2 + σ²/2, with Welch and Satterthwaite's degrees of freedom."""
    twice = {arm: np.repeat(twelve.sums[arm], 2, axis=0) for arm in ("real", "random")}
    two = replace(twelve, sums=twelve.sums | twice)
    spreads = {"real": own(1.0, 8.0), "random": own(2.0, 4.0)}
    tokens, real, random = 13 / 12, 1 / 2, 4 / 2
    whole = tokens + real + random
    freedom = whole**2 / (tokens**2 / 11 + real**2 / 8 + random**2 / 4)
    found = group_interval(two, "random", "real", spreads)
    assert found.se == pytest.approx(math.sqrt(whole), rel=1e-12)
    assert found.spread_se == pytest.approx(math.sqrt(real + random), rel=1e-12)
    assert (found.df, found.seeds) == (pytest.approx(freedom, rel=1e-12), 2)
    assert found.of_trainings
    half = stats.t.ppf(0.975, freedom) * math.sqrt(whole)
    assert (found.low, found.high) == pytest.approx((6.5 - half, 6.5 + half), rel=1e-9)
    assert found.p == pytest.approx(2 * stats.t.sf(6.5 / math.sqrt(whole), freedom), rel=1e-9)


@pytest.mark.usefixtures("no_autocorrelation")
def test_the_base_alone_has_no_spread_and_an_arm_without_one_leaves_all_out(twelve):
    help_ = group_interval(twelve, "random", "untrained", {"random": own(2.0, 4.0)})
    assert help_.of_trainings
    assert help_.spread_se == pytest.approx(2.0)
    ratio = group_interval(twelve, "random", "real", {"random": own(2.0, 4.0)})
    assert ratio == group_interval(twelve, "random", "real", {})
    assert not ratio.of_trainings


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(("time", "given"), [(1.6, True), (1.601, False)])
def test_a_group_shorter_than_two_and_a_half_autocorrelation_times_is_refused(
    monkeypatch, twelve, time, given
):
    """Groups of 4 bins: 2.5 times 1.6."""
    monkeypatch.setattr(groups, "autocorrelation_time", lambda _: time)
    if given:
        assert group_interval(twelve, "random", "real", {}).groups == 12
        return
    message = (
        "user 'ann': 3072 held-out tokens in 12 groups, the shortest of 256 tokens; the difference "
        "of random and real is correlated over 102 tokens, and an interval needs 2.5 times as many "
        "in each group"
    )
    with pytest.raises(TooLittleText) as caught:
        group_interval(twelve, "random", "real", {})
    assert str(caught.value) == message


@pytest.mark.usefixtures("no_autocorrelation")
def test_a_slice_with_fewer_bins_than_groups_is_refused():
    lengths = (64 * BIN_TOKENS, 3 * BIN_TOKENS, 64 * BIN_TOKENS)
    with pytest.raises(TooLittleText, match="the shortest of 0 tokens"):
        group_interval(differing(np.random.default_rng(1), lengths=lengths), "random", "real", {})


def test_arms_that_agree_on_every_token_have_an_interval_of_nothing():
    one = differing(np.random.default_rng(1))
    same = replace(one, sums=one.sums | {"random": one.sums["real"]})
    found = group_interval(same, "random", "real", {})
    assert (found.low, found.estimate, found.high, found.se, found.p) == (0, 0, 0, 0, 1)
    moved = replace(one, sums=one.sums | {"random": one.sums["real"] + one.tokens})
    sure = group_interval(moved, "random", "real", {})
    assert (sure.low, sure.high) == pytest.approx((1, 1))
    assert sure.p < 1e-9
