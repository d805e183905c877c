"""Tests of an effect: do they stay silent without one, and find it where there is one."""

import math
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from noisefloor_tests.support.bins_planted import STATISTIC, differing, replace_seeds, told
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.error_rates import error_rates
from pytest_noisefloor.bets.judging import judge
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.stats import bootstrap, significance
from pytest_noisefloor.stats.blocks import BIN_TOKENS, TIMES, block_sums, slice_blocks
from pytest_noisefloor.stats.bootstrap import TooFewBlocks, block_bootstrap
from pytest_noisefloor.stats.contrast import StatisticsError
from pytest_noisefloor.stats.effect import Effect
from pytest_noisefloor.stats.inference import FLIP_TIMES, check_replicates, infer
from pytest_noisefloor.stats.significance import (
    across_users,
    between_slices,
    holm,
    minimum_detectable_effect,
    sign_flip,
    tost,
    users_needed,
)


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.9, 0.98, 0.99, 0.995])
def test_false_alarms_measured(monkeypatch, rho):
    """At 5 %, without a difference, and at the margin itself for equivalence; 2,000 each (-rP).

    A true 6 % rises above 7.7 % in 0.1 % of draws. Across users the test is exact, whatever the
    scores: 1/32 for five.
    """
    monkeypatch.setattr(bootstrap, "RESAMPLES", 499)
    monkeypatch.setattr(significance, "FLIPS", 999)
    rng = np.random.default_rng(60)
    flips = equivalences = given = excluded = 0
    for _ in range(2000):
        one = differing(rng, rho=rho, true=0.0)
        flips += sign_flip(block_sums(one, "random", "real", times=FLIP_TIMES)[0]) < 0.05
        with suppress(TooFewBlocks):
            found = block_bootstrap(one, "random", "real")
            given += 1
            excluded += not found.low <= 0 <= found.high
            # a true Δ at the edge of a margin of ten standard errors
            edge = 10 * found.se
            at_edge = replace(found, estimate=found.estimate + edge)
            equivalences += tost(at_edge, edge) < 0.05
    assert told(f"autocorrelation {rho}: sign-flip p < 0.05", flips, 2000)[0] < 0.07
    assert flips <= 0.077 * 2000
    told(f"autocorrelation {rho}: interval excludes the truth", excluded, given)
    told(f"autocorrelation {rho}: equivalence at the margin", equivalences, given)
    assert equivalences <= 0.085 * given


@pytest.mark.slow
def test_false_alarms_of_levels_measured():
    """Whole verdicts on users without any difference, from scores to level; 500 of them (-rP).

    The judge's own simulation must say the same: both have 500 draws or more, so that 9 points
    are four standard errors of their difference at one half.
    """
    bet = registered_bet("bet60")
    rng = np.random.default_rng(60)
    counts, simulated = dict.fromkeys(Level, 0), dict.fromkeys(Level, 0.0)
    for _ in range(500):
        all_bins = [differing(rng, rho=0.98, true=0.0, user=user) for user in "abc"]
        effects = [
            Effect(user=t.user, nll={arm: t.mean(arm) for arm in t.sums}, contrast=STATISTIC)
            for t in all_bins
        ]
        counts[judge(bet, effects).level] += 1
    noise = tuple(one.noise for one in infer(all_bins, STATISTIC, margin=0.1))
    scenario = next(s for s in error_rates(bet, noise) if s.ratio == 1)
    for level in Level:
        told(f"without a difference: {level.name}", counts[level], 500)
        simulated[level] = scenario.counts[level] / scenario.trials
        assert counts[level] / 500 == pytest.approx(simulated[level], abs=0.09)


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


def test_equivalence_counts_the_spread_between_seeds():
    """Each seed by itself lies well within the margin; three that differ by as much do not."""
    rng = np.random.default_rng(60)
    three = differing(rng, rho=0.0, seeds=3, spread=0.15)
    margin = math.log(1.1)
    whole = block_bootstrap(three, "random", "real")
    assert abs(whole.estimate) < margin
    assert tost(whole, margin) > 0.05
    alone = replace_seeds(three, 1)
    centred = replace(block_bootstrap(alone, "random", "real"), estimate=whole.estimate)
    assert tost(centred, margin) < 0.05


def test_seeds_of_the_control_among_each_other_are_an_experiment_without_a_difference():
    """A/A: its noise counts where it is larger than what Δ shows between seeds."""
    rng = np.random.default_rng(60)
    one = differing(rng, rho=0.0, seeds=3)
    shifts = np.array([[0.0], [0.1], [0.2]]) * one.tokens
    # both arms move together from seed to seed, so that Δ hides what a seed does
    together = replace(
        one, sums={arm: s if arm == "untrained" else s + shifts for arm, s in one.sums.items()}
    )
    (found,) = infer([together], STATISTIC, margin=0.1)
    assert found.delta.seed_se < 1e-6
    step = (
        0.1 + 1 / BIN_TOKENS
    )  # what differing() gives each seed's cells, lest they be one replicate
    assert found.aa_sd == pytest.approx(math.sqrt(2) * step)
    error, freedom = found.noise
    tokens = math.sqrt(found.delta.se**2 - found.delta.seed_se**2)
    assert error == pytest.approx(math.hypot(tokens, found.aa_sd / math.sqrt(3)))
    assert 2 <= freedom < 2.1  # all of it from three seeds
    (alone,) = infer([replace_seeds(together, 1)], STATISTIC, margin=0.1)
    assert (alone.aa_sd, alone.noise) == (None, (alone.delta.se, alone.delta.df))


def test_without_a_difference_few_users_are_called_different():
    """At 5 %, more than 12 of 100 nulls come out in 0.15 % of draws; seeded, in none of ours."""
    rng = np.random.default_rng(60)
    nulls = [sign_flip(rng.standard_t(4, 9)) < 0.05 for _ in range(100)]  # 9 blocks: exact
    assert sum(nulls) <= 12


def test_a_planted_difference_is_found_and_its_sign_does_not_matter():
    blocks = np.random.default_rng(60).normal(1, 1, 40)
    assert sign_flip(blocks) == sign_flip(-blocks) <= 0.001


@pytest.mark.parametrize(
    ("deltas", "p"),
    [
        ([2], 1 / 2),
        ([-2], 1.0),
        ([1, 1, 1], 1 / 8),
        ([1, 2, -0.5], 2 / 8),
        ([-1, -1, -1], 1.0),
        ([1] * 5, 1 / 32),
    ],
)
def test_across_users_the_sign_flip_is_exact(deltas, p):
    assert across_users(deltas) == p


def test_three_users_can_never_be_enough_and_five_can():
    assert users_needed() == 5
    assert across_users([9.0] * users_needed()) < 0.05 <= across_users([9.0] * 4)


def test_holm_is_holms():
    assert holm([0.01, 0.04, 0.03]) == (0.03, 0.06, 0.06)
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([]) == ()


def test_equivalence_is_shown_for_a_small_resolved_effect_and_for_no_other():
    rng = np.random.default_rng(60)
    margin = math.log(1.1)
    small = block_bootstrap(differing(rng, rho=0.0, true=0.01), "random", "real")
    at_bar = block_bootstrap(differing(rng, rho=0.0, true=margin + 0.02), "random", "real")
    vague = replace(small, se=0.1)
    assert tost(small, margin) < 0.05
    assert tost(at_bar, margin) > 0.05
    assert tost(vague, margin) > 0.05  # absence of evidence


def test_the_detectable_effect_is_detected_four_times_in_five():
    """Power by simulation from the normal: 80 % ± 1.3 points at 1,000 draws, 5 of them allowed."""
    one = block_bootstrap(differing(np.random.default_rng(60)), "random", "real")
    one = replace(one, df=1e6)
    drawn = np.random.default_rng(60).normal(minimum_detectable_effect(one), one.se, 1000)
    assert np.mean(np.abs(drawn) > 1.96 * one.se) == pytest.approx(0.8, abs=0.065)


def test_a_seed_that_changed_nothing_is_refused_behind_a_user_whose_text_is_too_short():
    rng = np.random.default_rng(1)
    short = differing(rng, lengths=(640,), seeds=2)
    one = differing(rng, seeds=2, user="bob")
    copied = replace(one, sums=one.sums | {"real": one.sums["real"][[0, 0]]})
    with pytest.raises(StatisticsError, match="user 'bob', arm real: seeds number 1 and 2 gave"):
        infer([short, copied], STATISTIC, margin=0.1)


@pytest.mark.parametrize(("one", "other"), [("real", "random"), ("untrained", "real")])
def test_two_arms_with_the_same_scores_are_refused(one, other):
    drawn = differing(np.random.default_rng(1))
    drawn.sums["real"] += 0.1  # else the helper's real scores are its untrained ones
    same = replace(drawn, sums=drawn.sums | {other: drawn.sums[one]})
    check_replicates(drawn)
    with pytest.raises(StatisticsError, match=f"user 'ann': {one} and {other} gave the same scor"):
        infer([same], STATISTIC, margin=0.1)


# --- between slices ----------------------------------------------------------------------------


def slices_p(one):
    return between_slices(slice_blocks(one, "random", "real", times=FLIP_TIMES))


def test_slices_with_one_difference_are_told_apart_as_seldom_as_is_said():
    """At 5 %, autocorrelated; more than 12 of 100 come in 0.15 % of draws, and these are seeded."""
    rng = np.random.default_rng(60)
    assert sum(slices_p(differing(rng, rho=0.9)) < 0.05 for _ in range(100)) <= 12


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


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.9, 0.98, 0.99, 0.995])
def test_false_alarms_between_slices_measured(rho):
    """2,000 each (-rP). A true 7.5 % rises above 9.4 % in 0.1 % of draws."""
    rng = np.random.default_rng(60)
    found = [slices_p(differing(rng, rho=rho)) for _ in range(2000)]
    alarms = sum(p is not None and p < 0.05 for p in found)
    told(f"autocorrelation {rho}: slices told apart", alarms, 2000)
    assert alarms <= 0.094 * 2000
