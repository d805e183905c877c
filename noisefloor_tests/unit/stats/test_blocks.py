"""Scores in little room: what is refused, and what comes back from a file."""

import math

import numpy as np
import pytest

from noisefloor_tests.support.bins_planted import CONTRAST
from pytest_noisefloor.stats.blocks import Scores, bin_sums, decode_sums, encode_sums
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
            infer([bin_sums("ann", slices(**arms))], CONTRAST, margin=0.1)


def test_sums_come_back_from_text_to_the_last_bit():
    sums = np.random.default_rng(1).normal(300, 100, (2, 50))
    np.testing.assert_array_equal(decode_sums(encode_sums(sums)), sums)


@pytest.mark.parametrize("rows", [["no base64!"], ["AAA="], [7], [], ["AAAAAAAAAAA=", ""]])
def test_text_that_holds_no_sums_is_refused(rows):
    with pytest.raises(StatisticsError, match="packed sums"):
        decode_sums(rows)
