"""What is inferred of a user: how long blocks are, what seeds add, and which scores are refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from noisefloor_tests.support.bins_planted import CONTRAST, differing, replace_seeds, slices_p
from pytest_noisefloor.stats.blocks import BIN_TOKENS, TIMES, block_sums, slice_blocks
from pytest_noisefloor.stats.bootstrap import block_bootstrap
from pytest_noisefloor.stats.contrast import StatisticsError
from pytest_noisefloor.stats.inference import FLIP_TIMES, check_replicates, infer
from pytest_noisefloor.stats.significance import between_slices, sign_flip, tost


def test_a_sign_flip_tosses_longer_blocks_than_an_interval_resamples():
    one = differing(np.random.default_rng(1), rho=0.98)
    for_interval, for_flip = (
        len(block_sums(one, "random", "real", times=times)[0]) for times in (TIMES, FLIP_TIMES)
    )
    assert for_interval >= 1.5 * for_flip


def test_arms_that_agree_on_every_token_have_an_interval_of_nothing():
    one = differing(np.random.default_rng(1))
    same = replace(one, sums=one.sums | {"random": one.sums["real"]})
    found = block_bootstrap(same, "random", "real")
    assert (found.low, found.estimate, found.high, found.se) == (0, 0, 0, 0)
    assert sign_flip(block_sums(same, "random", "real")[0]) == 1
    assert tost(found, 0.1) == 0


def test_seeds_of_the_control_among_each_other_are_an_experiment_without_a_difference():
    """A/A: its noise counts where it is larger than what Δ shows between seeds."""
    rng = np.random.default_rng(60)
    one = differing(rng, rho=0.0, seeds=3)
    shifts = np.array([[0.0], [0.1], [0.2]]) * one.tokens
    # both arms move together from seed to seed, so that Δ hides what a seed does
    together = replace(
        one, sums={arm: s if arm == "untrained" else s + shifts for arm, s in one.sums.items()}
    )
    (found,) = infer([together], CONTRAST, margin=0.1)
    assert found.delta.seed_se < 1e-6
    step = (
        0.1 + 1 / BIN_TOKENS
    )  # what differing() gives each seed's bins, lest they be one replicate
    assert found.aa_sd == pytest.approx(math.sqrt(2) * step)
    error, freedom = found.noise
    tokens = math.sqrt(found.delta.se**2 - found.delta.seed_se**2)
    assert error == pytest.approx(math.hypot(tokens, found.aa_sd / math.sqrt(3)))
    assert 2 <= freedom < 2.1  # all of it from three seeds
    (alone,) = infer([replace_seeds(together, 1)], CONTRAST, margin=0.1)
    assert (alone.aa_sd, alone.noise) == (None, (alone.delta.se, alone.delta.df))


def test_a_seed_that_changed_nothing_is_refused_behind_a_user_whose_text_is_too_short():
    rng = np.random.default_rng(1)
    short = differing(rng, lengths=(640,), seeds=2)
    one = differing(rng, seeds=2, user="bob")
    copied = replace(one, sums=one.sums | {"real": one.sums["real"][[0, 0]]})
    with pytest.raises(StatisticsError, match="user 'bob', arm real: seeds number 1 and 2 gave"):
        infer([short, copied], CONTRAST, margin=0.1)


@pytest.mark.parametrize(("one", "other"), [("real", "random"), ("untrained", "real")])
def test_two_arms_with_the_same_scores_are_refused(one, other):
    drawn = differing(np.random.default_rng(1))
    drawn.sums["real"] += 0.1  # else the helper's real scores are its untrained ones
    same = replace(drawn, sums=drawn.sums | {other: drawn.sums[one]})
    check_replicates(drawn)
    with pytest.raises(StatisticsError, match=f"user 'ann': {one} and {other} gave the same scor"):
        infer([same], CONTRAST, margin=0.1)


# --- between slices ----------------------------------------------------------------------------


def test_a_slice_whose_difference_is_another_is_found_whatever_the_mean():
    """By 1.5 nats from two others: nine standard errors of a slice's mean, which is 0.16."""
    one = differing(np.random.default_rng(60), rho=0.9)
    away = np.where(one.slices == one.slices.max(), 1.0, -0.5) * one.tokens
    moved = replace(one, sums=one.sums | {"random": one.sums["random"] + away})
    assert slices_p(one) > 0.05
    assert slices_p(moved) < 0.001
    assert block_bootstrap(moved, "random", "real").se < 0.2  # which knows nothing of it


def test_slices_may_vary_by_different_amounts():
    """Of two slices Welch's analysis is his t-test, whose p a pooled variance would miss by far."""
    rng = np.random.default_rng(60)
    calm, wild = rng.normal(0, 1, 40), rng.normal(2, 10, 8)
    welch, pooled = (stats.ttest_ind(calm, wild, equal_var=same).pvalue for same in (False, True))
    assert between_slices([calm, wild]) == pytest.approx(welch)
    assert abs(welch - pooled) > 0.1


def test_blocks_of_slices_are_those_that_are_tossed():
    one = differing(np.random.default_rng(60), rho=0.9)
    sums, tokens, _ = block_sums(one, "random", "real")
    by_slice = slice_blocks(one, "random", "real", times=TIMES)
    assert np.concatenate(by_slice) == pytest.approx(sums / tokens)
    assert len(by_slice) == 3


@pytest.mark.parametrize("blocks", [[[1, 2]], [[1, 2], [3]], [[1, 2], [3, 3]]])
def test_slices_too_short_to_tell_are_not_told_apart(blocks):
    assert between_slices([np.array(of, dtype=float) for of in blocks]) is None
