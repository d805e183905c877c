"""Scores in little room: what is refused, and what comes back from a file."""

import math

import numpy as np
import pytest

from noisefloor_tests.support.bins_planted import CONTRAST, autocorrelated, differing
from pytest_noisefloor.stats import blocks
from pytest_noisefloor.stats.blocks import (
    BIN_TOKENS,
    Scores,
    autocorrelation_time,
    bin_sums,
    decode_sums,
    encode_sums,
    slice_blocks,
)
from pytest_noisefloor.stats.contrast import StatisticsError
from pytest_noisefloor.stats.inference import infer


def slices(**arms):
    """One slice with scores of these lengths under each arm."""
    return [{arm: [Scores(np.full(n, 3.0, np.float32), name)] for arm, (n, name) in arms.items()}]


def test_other_tokens_under_one_arm_are_refused():
    fits = {"untrained": (100, "x"), "real": (100, "x"), "random": (100, "x")}
    assert bin_sums("ann", slices(**fits)).mean("real") == 3.0
    for cheat in ((99, "x"), (100, "y")):
        with pytest.raises(StatisticsError, match=r"user 'ann', slice number 1: .*the same tokens"):
            bin_sums("ann", slices(**fits | {"random": cheat}))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_that_are_not_finite_are_refused(value):
    arms = slices(untrained=(100, "x"), real=(100, "x"), random=(100, "x"))
    arms[0]["real"][0].nll[7] = value
    with pytest.raises(StatisticsError, match="user 'ann', arm real: scores that are not finite"):
        bin_sums("ann", arms)


def test_an_arm_that_was_never_scored_is_refused():
    with pytest.raises(StatisticsError, match="user 'ann': no scores of untrained"):
        bin_sums("ann", slices(random=(100, "x"), real=(100, "x")))
    for lacking in ("real", "random"):
        arms = {arm: (100, "x") for arm in ("untrained", "real", "random") if arm != lacking}
        with pytest.raises(StatisticsError, match=f"user 'ann': no scores of {lacking}"):
            infer([bin_sums("ann", slices(**arms))], CONTRAST, margin=0.1, spreads=[{}])


def test_sums_come_back_from_text_to_the_last_bit():
    sums = np.random.default_rng(1).normal(300, 100, (2, 50))
    np.testing.assert_array_equal(decode_sums(encode_sums(sums)), sums)


@pytest.mark.parametrize("rows", [["no base64!"], ["AAA="], [7], [], ["AAAAAAAAAAA=", ""]])
def test_text_that_holds_no_sums_is_refused(rows):
    with pytest.raises(StatisticsError, match="packed sums"):
        decode_sums(rows)


# --- autocorrelation and blocks ------------------------------------------------------------------


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


@pytest.mark.parametrize(("time", "length"), [(1.0, 2), (1.2, 3), (1.5, 3), (4.0, 8), (4.1, 9)])
def test_blocks_are_at_least_so_many_autocorrelation_times_long(monkeypatch, time, length):
    """And of one slice differ by one bin at most."""
    monkeypatch.setattr(blocks, "autocorrelation_time", lambda _: time)
    cut, split = [], np.array_split

    def noted(bins, number):
        cut.append([len(block) for block in split(bins, number)])
        return split(bins, number)

    monkeypatch.setattr(np, "array_split", noted)
    one = differing(np.random.default_rng(1), lengths=(100 * BIN_TOKENS, 61 * BIN_TOKENS))
    found = slice_blocks(one, "random", "real", times=2)
    for of, whole, means in zip(cut, (100, 61), found, strict=True):
        assert len(of) == len(means) == whole // length
        assert sum(of) == whole
        assert length <= min(of) <= max(of) <= min(of) + 1


def test_a_block_that_is_longer_than_its_slice_is_that_slice(monkeypatch):
    monkeypatch.setattr(blocks, "autocorrelation_time", lambda _: 40.0)
    one = differing(np.random.default_rng(1), lengths=(30 * BIN_TOKENS, 7 * BIN_TOKENS + 3))
    bins = (one.sums["random"] - one.sums["real"])[0]
    expected = [bins[:30].sum() / (30 * BIN_TOKENS), bins[30:].sum() / (7 * BIN_TOKENS + 3)]
    assert np.concatenate(slice_blocks(one, "random", "real", times=2)) == pytest.approx(expected)
