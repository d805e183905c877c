"""Tests are silent without a difference, as often as they say, and find a planted one."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support.bins_planted import CONTRAST, differing, slices_p, told
from noisefloor_tests.support.evidence_noise import USERS
from noisefloor_tests.support.noises import NOISES
from noisefloor_tests.support.noises import units as drawn_units
from noisefloor_tests.support.results_planted import effects_of
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.error_rates import error_rates
from pytest_noisefloor.bets.judging import judge
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.stats.blocks import slice_blocks
from pytest_noisefloor.stats.groups import TooLittleText, group_interval
from pytest_noisefloor.stats.inference import BLOCK_TIMES, infer
from pytest_noisefloor.stats.significance import (
    ALPHA,
    between_slices,
    minimum_detectable_effect,
    tost,
)

ARMS = ("random", "real")


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.9, 0.98, 0.99, 0.995])
def test_false_alarms_measured(rho):
    """At 5 %, without a difference, and at the margin itself for equivalence; 2,000 each (-rP).

    Scores of tokens with heavy tails, with autocorrelation times of 1 to 399 tokens. A true 6 %
    rises above 7.7 % in 0.1 % of draws.
    """
    rng = np.random.default_rng(60)
    differ = equivalent = given = 0
    for _ in range(2000):
        with suppress(TooLittleText):
            found = group_interval(differing(rng, rho=rho, true=0.0), "random", "real", {})
            given += 1
            differ += found.p < ALPHA
            # a true Δ at the edge of a margin of ten standard errors
            edge = 10 * found.se
            equivalent += tost(replace(found, estimate=found.estimate + edge), edge) < ALPHA
    told(f"measured: autocorrelation {rho}: p of no difference < 0.05", differ, given)
    told(f"measured: autocorrelation {rho}: equivalence at the margin", equivalent, given)
    assert given >= 0.95 * 2000
    assert max(differ, equivalent) <= 0.077 * given


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
    noise = tuple(one.noise for one in infer(all_bins, CONTRAST, margin=0.1, spreads=[{}] * 3))
    scenario = next(s for s in error_rates(bet, noise) if s.ratio == 1)
    for level in Level:
        told(f"measured: without a difference: {level.name}", counts[level], 500)
        simulated[level] = scenario.counts[level] / scenario.trials
        assert counts[level] / 500 == pytest.approx(simulated[level], abs=0.09)


def test_a_planted_difference_is_found_and_its_sign_does_not_matter():
    """Of five standard errors: missed in 2 % of draws; seeded, in none."""
    one = differing(np.random.default_rng(60), true=5 * 0.16)
    there, back = (group_interval(one, *arms, {}) for arms in (ARMS, ARMS[::-1]))
    assert there.p == back.p < 0.01
    assert there.low > 0 > back.high


def test_the_detectable_effect_is_detected_four_times_in_five():
    """Power by simulation from the normal: 80 % ± 1.3 points at 1,000 draws, 5 of them allowed."""
    one = group_interval(differing(np.random.default_rng(60)), *ARMS, {})
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
    told(f"measured: autocorrelation {rho}: slices told apart", alarms, 2000)
    assert alarms <= 0.094 * 2000


# --- on the evidence's own noise -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("user", USERS)
def test_false_alarms_between_slices_on_the_evidences_own_noise_measured(user):
    """1,000 each (-rP). A true rate of 9 % is found above 12 % in 0.1 % of draws."""
    units = drawn_units(np.random.default_rng(61), NOISES[f"fitted to {user}"], 1000)
    apart = {"Δ": 0, "help": 0}
    for one, _ in units:
        for what, arms in {"Δ": ARMS, "help": ("untrained", "real")}.items():
            p = between_slices(slice_blocks(one, *arms, times=BLOCK_TIMES))
            apart[what] += p is not None and p < ALPHA
    for what, count in apart.items():
        told(f"measured: {user}: slices told apart in {what}", count, 1000)
        assert count <= 120
