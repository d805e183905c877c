"""Tests are silent without a difference, as often as they say, and find a planted one."""

import math
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support.bins_planted import CONTRAST, differing, slices_p, told
from noisefloor_tests.support.evidence_noise import USERS, simulated
from noisefloor_tests.support.planted import BET
from noisefloor_tests.support.results_planted import effects_of
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.error_rates import error_rates, rate_bounds
from pytest_noisefloor.bets.judging import judge, margin
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.stats import bootstrap, significance
from pytest_noisefloor.stats.blocks import block_sums, slice_blocks
from pytest_noisefloor.stats.bootstrap import TooFewBlocks, block_bootstrap
from pytest_noisefloor.stats.inference import FLIP_TIMES, infer
from pytest_noisefloor.stats.significance import (
    ALPHA,
    between_slices,
    minimum_detectable_effect,
    sign_flip,
    tost,
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
        counts[judge(bet, effects_of(all_bins)).level] += 1
    noise = tuple(one.noise for one in infer(all_bins, CONTRAST, margin=0.1))
    scenario = next(s for s in error_rates(bet, noise) if s.ratio == 1)
    for level in Level:
        told(f"without a difference: {level.name}", counts[level], 500)
        simulated[level] = scenario.counts[level] / scenario.trials
        assert counts[level] / 500 == pytest.approx(simulated[level], abs=0.09)


def test_without_a_difference_few_users_are_called_different():
    """At 5 %, more than 12 of 100 nulls come out in 0.15 % of draws; seeded, in none of ours."""
    rng = np.random.default_rng(60)
    nulls = [sign_flip(rng.standard_t(4, 9)) < 0.05 for _ in range(100)]  # 9 blocks: exact
    assert sum(nulls) <= 12


def test_a_planted_difference_is_found_and_its_sign_does_not_matter():
    blocks = np.random.default_rng(60).normal(1, 1, 40)
    assert sign_flip(blocks) == sign_flip(-blocks) <= 0.001


def test_the_detectable_effect_is_detected_four_times_in_five():
    """Power by simulation from the normal: 80 % ± 1.3 points at 1,000 draws, 5 of them allowed."""
    one = block_bootstrap(differing(np.random.default_rng(60)), "random", "real")
    one = replace(one, df=1e6)
    drawn = np.random.default_rng(60).normal(minimum_detectable_effect(one), one.se, 1000)
    assert np.mean(np.abs(drawn) > 1.96 * one.se) == pytest.approx(0.8, abs=0.065)


# --- between slices ----------------------------------------------------------------------------


def test_slices_with_one_difference_are_told_apart_as_seldom_as_is_said():
    """At 5 %, autocorrelated; more than 12 of 100 come in 0.15 % of draws, and these are seeded."""
    rng = np.random.default_rng(60)
    assert sum(slices_p(differing(rng, rho=0.9)) < 0.05 for _ in range(100)) <= 12


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.9, 0.98, 0.99, 0.995])
def test_false_alarms_between_slices_measured(rho):
    """2,000 each (-rP). A true 7.5 % rises above 9.4 % in 0.1 % of draws."""
    rng = np.random.default_rng(60)
    found = [slices_p(differing(rng, rho=rho)) for _ in range(2000)]
    alarms = sum(p is not None and p < 0.05 for p in found)
    told(f"autocorrelation {rho}: slices told apart", alarms, 2000)
    assert alarms <= 0.094 * 2000


# --- on the evidence's own noise -----------------------------------------------------------------


@pytest.mark.slow
def test_false_alarms_on_the_evidences_own_noise_measured(monkeypatch):
    """Of sign-flip and of slices told apart at no difference, of TOST at LENIENT's threshold.

    1,000 each of each user (-rP). All say 5 %. The programmer's rare large differences all go one
    way (a skewness of 2.5), which none allows for. A true rate of 9 % is found above 12 % in 0.1 %
    of draws.
    """
    monkeypatch.setattr(bootstrap, "RESAMPLES", 99)
    monkeypatch.setattr(significance, "FLIPS", 999)
    rng, bar = np.random.default_rng(61), margin(BET)
    for user, name in enumerate(USERS):
        flips = bars = apart = 0
        for _ in range(1000):
            null, at_bar = simulated(rng, user, 1.0), simulated(rng, user, math.exp(bar))
            sums, *_ = block_sums(null, "random", "real", times=FLIP_TIMES)
            flips += sign_flip(sums) < ALPHA
            bars += tost(block_bootstrap(at_bar, "random", "real"), bar) < ALPHA
            p = between_slices(slice_blocks(null, "random", "real", times=FLIP_TIMES))
            apart += p is not None and p < ALPHA
        for what, count in (("sign-flip", flips), ("TOST", bars), ("slices apart", apart)):
            low, high = rate_bounds(count, 1000)
            print(f"{name}: {what} {count} of 1000 [{low:.3f}, {high:.3f}]")
            assert count <= 120
