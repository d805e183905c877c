"""Inference by another way: equivalence, replicates and what is normalised, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support.bins_planted import CONTRAST, differing
from pytest_noisefloor.stats.blocks import BIN_TOKENS, BinSums, bin_slices, bin_tokens
from pytest_noisefloor.stats.contrast import StatisticsError
from pytest_noisefloor.stats.groups import group_interval
from pytest_noisefloor.stats.inference import check_replicates, infer
from pytest_noisefloor.stats.significance import tost


def test_without_any_noise_equivalence_is_certain_or_excluded():
    drawn = differing(np.random.default_rng(5), rho=0.0)
    one = replace(group_interval(drawn, "random", "real", {}), se=0.0)
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


def test_a_gain_of_the_oracle_that_reaches_down_to_0_is_nothing_to_normalise_by():
    (one,) = infer([differing(np.random.default_rng(5))], CONTRAST, margin=0.1, spreads=[{}])
    for low, known in ((1e-9, True), (0.0, False), (-1e-9, False)):
        oracle = replace(one.delta, low=low)
        assert (replace(one, oracle=oracle).fraction_of_oracle is not None) == known
