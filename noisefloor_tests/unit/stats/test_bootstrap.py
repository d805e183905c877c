"""Intervals by another way: each figure from its formula, on numbers made for it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from noisefloor_tests.support.bins_planted import autocorrelated, differing
from pytest_noisefloor.stats import blocks
from pytest_noisefloor.stats.blocks import BIN_TOKENS, autocorrelation_time, block_sums
from pytest_noisefloor.stats.bootstrap import RESAMPLES, SEED, TooFewBlocks, block_bootstrap


def test_bounds_are_the_bootstraps_of_block_means_at_hesterbergs_level(independent):
    """Blocks of one size: means of blocks are resampled as one would resample any sample."""
    found = block_bootstrap(independent, "random", "real")
    bins = (independent.sums["random"] - independent.sums["real"])[0]
    means = bins.reshape(48, 2).sum(axis=1) / (2 * BIN_TOKENS)
    level = 2 * stats.norm.cdf(math.sqrt(48 / 47) * stats.t.ppf(0.975, 47)) - 1
    expected = stats.bootstrap(
        (means,),
        np.mean,
        vectorized=True,
        confidence_level=level,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    assert found.estimate == pytest.approx(means.mean(), rel=1e-12)
    # each of 4,999 resamples is drawn alike; its mean is summed in another order
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert found.se == pytest.approx(stats.sem(means), rel=1e-12)
    assert (found.df, found.blocks, found.seeds) == (47, 48, 1)


def test_several_seeds_add_their_spread_to_each_side_and_to_the_error(independent):
    shifts = np.array([[-0.3], [0.1], [0.2]])  # of nats per token; their mean is 0
    real = np.repeat(independent.sums["real"], 3, axis=0)
    random = independent.sums["random"] + shifts * independent.tokens
    alone = block_bootstrap(independent, "random", "real")
    found = block_bootstrap(
        replace(independent, sums=independent.sums | {"real": real, "random": random}),
        *("random", "real"),
    )
    spread = np.std(shifts, ddof=1) / math.sqrt(3)
    half = stats.t.ppf(0.975, 2) * spread
    assert found.estimate == pytest.approx(alone.estimate, rel=1e-9)
    assert found.estimate - found.low == pytest.approx(
        math.hypot(alone.estimate - alone.low, half), rel=1e-6
    )
    assert found.high - found.estimate == pytest.approx(
        math.hypot(alone.high - alone.estimate, half), rel=1e-6
    )
    assert found.se == pytest.approx(math.hypot(alone.se, spread), rel=1e-9)
    welch = (alone.se**2 + spread**2) ** 2 / (alone.se**4 / 47 + spread**4 / 2)
    assert found.df == pytest.approx(welch, rel=1e-9)
    assert (found.blocks, found.seeds) == (48, 3)


@pytest.mark.parametrize(("time", "length"), [(1.0, 2), (1.2, 3), (1.5, 3), (4.0, 8), (4.1, 9)])
def test_blocks_are_at_least_so_many_autocorrelation_times_long(monkeypatch, time, length):
    """And of one slice differ by one bin at most."""
    monkeypatch.setattr(blocks, "autocorrelation_time", lambda _: time)
    one = differing(np.random.default_rng(1), lengths=(100 * BIN_TOKENS, 61 * BIN_TOKENS))
    bins = block_sums(one, "random", "real")[1] / BIN_TOKENS
    assert len(bins) == 100 // length + 61 // length
    for of_slice, whole in ((bins[: 100 // length], 100), (bins[100 // length :], 61)):
        assert of_slice.sum() == whole
        assert length <= of_slice.min() <= of_slice.max() <= of_slice.min() + 1


def test_a_block_that_is_longer_than_its_slice_is_that_slice(monkeypatch):
    monkeypatch.setattr(blocks, "autocorrelation_time", lambda _: 40.0)
    one = differing(np.random.default_rng(1), lengths=(30 * BIN_TOKENS, 7 * BIN_TOKENS + 3))
    assert [*block_sums(one, "random", "real")[1]] == [30 * BIN_TOKENS, 7 * BIN_TOKENS + 3]


# --- autocorrelation -----------------------------------------------------------------------------


def time_by_hand(series):
    """Sokal's sum with a window of five, lag by lag, and Wolff's correction of its bias."""
    deviations = [[value - sum(one) / len(one) for value in one] for one in series]

    def covariance(lag):
        return sum(a * b for one in deviations for a, b in zip(one, one[lag:], strict=False))

    tau, lag = 1.0, 0
    while lag < 5 * tau and lag < max(map(len, series)) - 1:
        lag += 1
        tau += 2 * covariance(lag) / covariance(0)
    return max(1.0, tau * (1 + (2 * lag + 1) * len(series) / sum(map(len, series))))


@pytest.mark.parametrize(
    ("lengths", "rho"),
    [
        ((60, 60), 0.0),
        ((60, 61), 0.5),
        ((60, 20, 7), 0.8),
        ((12, 11), 0.95),
        ((2,), 0.0),
    ],
)
def test_an_autocorrelation_time_is_sokals_sum_with_wolffs_correction(lengths, rho):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        series = [autocorrelated(rng, length, rho) for length in lengths]
        assert autocorrelation_time(series) == pytest.approx(time_by_hand(series), rel=1e-9)


def test_the_sum_ends_with_the_first_lag_of_five_autocorrelation_times():
    """Nothing is correlated up to lag 5, where τ is 1; the −1/2 at lag 6 is behind the window."""
    series = np.zeros(20)
    series[[0, 6]] = 1, -1
    assert autocorrelation_time([series]) == pytest.approx(1 + (2 * 5 + 1) / 20, rel=1e-12)


def test_an_interval_is_given_from_twenty_blocks_on(no_autocorrelation):
    """Blocks of two bins, so that 39 bins make 19."""
    few, enough = (
        differing(np.random.default_rng(5), rho=0.0, lengths=(bins * BIN_TOKENS,))
        for bins in (39, 40)
    )
    assert block_bootstrap(enough, "random", "real").blocks == 20
    message = "user 'ann': 2496 held-out tokens make 19 blocks .* an interval needs 20"
    with pytest.raises(TooFewBlocks, match=message):
        block_bootstrap(few, "random", "real")


@pytest.mark.parametrize(
    ("slices", "bins", "time", "length"),
    [(1, 320, 4.0, 8.0), (1, 330, 4.0, 330 / 41), (30, 3, 4.0, 8.0)],
    ids=["whole", "shared out", "slices shorter than a block"],
)
def test_blocks_that_still_depend_on_each_other_widen_error_and_bounds(
    monkeypatch, slices, bins, time, length
):
    """By 1/√(1 − (τ² − 1)/(2τL)), L being a block's bins, or those that it should have."""
    monkeypatch.setattr(blocks, "autocorrelation_time", lambda _: time)
    one = differing(np.random.default_rng(5), rho=0.0, lengths=(bins * BIN_TOKENS,) * slices)
    found = block_bootstrap(one, "random", "real")
    sums, tokens, _ = block_sums(one, "random", "real")
    residual = sums - found.estimate * tokens
    n = len(sums)
    plain = math.sqrt(n / (n - 1) * (residual @ residual)) / tokens.sum()
    assert found.se == pytest.approx(
        plain / math.sqrt(1 - (time**2 - 1) / (2 * time * length)), rel=1e-12
    )
