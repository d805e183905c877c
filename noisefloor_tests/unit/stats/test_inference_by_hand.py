"""Inference by another way: noise, replicates and what is normalised, each from its formula."""

import math
from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support.bins_planted import CONTRAST
from pytest_noisefloor.stats.blocks import BIN_TOKENS, BinSums, bin_slices, bin_tokens
from pytest_noisefloor.stats.bootstrap import block_bootstrap
from pytest_noisefloor.stats.contrast import StatisticsError
from pytest_noisefloor.stats.inference import check_replicates, infer
from pytest_noisefloor.stats.significance import tost


def test_without_any_noise_equivalence_is_certain_or_excluded(independent):
    one = replace(block_bootstrap(independent, "random", "real"), se=0.0)
    for estimate, p in ((0.5, 0.0), (-0.5, 0.0), (1.0, 1.0), (-1.0, 1.0), (1.5, 1.0), (-9.0, 1.0)):
        assert tost(replace(one, estimate=estimate), 1.0) == p


def test_the_two_seeds_that_are_one_replicate_are_counted_from_one():
    sums = np.arange(10.0).reshape(5, 2)
    lengths = (2 * BIN_TOKENS,)
    one = BinSums(
        user="ann",
        tokens=bin_tokens(lengths),
        slices=bin_slices(lengths),
        sums={"untrained": sums[:1] - 1, "real": sums + 1, "random": sums},
    )
    check_replicates(one)
    twice = sums.copy()
    twice[3] = twice[1]
    with pytest.raises(StatisticsError, match="arm random: seeds number 2 and 4 gave the same"):
        check_replicates(replace(one, sums=one.sums | {"random": twice}))


def test_the_noise_to_simulate_with_has_welchs_degrees_of_freedom(independent):
    """The blocks' and the seeds' variances, each with its own degrees of freedom."""
    rng = np.random.default_rng(7)
    shifts = rng.normal(0, 0.03, (2, 3, 1)) * independent.tokens
    arms = ("real", "random")
    three = replace(
        independent,
        sums={
            "untrained": independent.sums["untrained"],
            **{arm: independent.sums[arm] + shift for arm, shift in zip(arms, shifts, strict=True)},
        },
    )
    (found,) = infer([three], CONTRAST, margin=0.1)
    whole = found.delta
    tokens = whole.se**2 - whole.seed_se**2
    means = three.sums["random"].sum(axis=1) / three.tokens.sum()
    spread = max(whole.seed_se**2, 2 * means.var(ddof=1) / 3)
    welch = (tokens + spread) ** 2 / (tokens**2 / 47 + spread**2 / 2)
    assert found.noise == pytest.approx((math.sqrt(tokens + spread), welch), rel=1e-9)
    assert 2.5 < welch < 45  # neither part alone


@pytest.mark.usefixtures("few_resamples")
def test_a_gain_of_the_oracle_that_reaches_down_to_0_is_nothing_to_normalise_by(independent):
    (one,) = infer([independent], CONTRAST, margin=0.1)
    for low, known in ((1e-9, True), (0.0, False), (-1e-9, False)):
        oracle = replace(one.delta, low=low)
        assert (replace(one, oracle=oracle).fraction_of_oracle is not None) == known
