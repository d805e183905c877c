"""How often a bet's levels come out by chance: simulated rates against what can be computed."""

import math

import pytest

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.error_rates import TRIALS, error_rates, rate_bounds
from pytest_noisefloor.bets.registry import registered_bet

BET = registered_bet("bet60")


def counts(errors, ratio, freedom=1e9):
    """By level, with noise that is as good as known unless told otherwise."""
    noise = tuple((error, freedom) for error in errors)
    return next(s for s in error_rates(BET, noise) if s.ratio == ratio).counts


def test_catastrophic_comes_out_half_the_time_without_any_difference():
    """2 of 3 below 1: exactly one half. ± 6 points are 3.8 standard errors of 1,000 trials."""
    share = counts((0.05,) * 3, 1.0)[Level.CATASTROPHIC] / TRIALS
    assert share == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(("noise", "share"), [(0.05, 0.002), (0.1, 0.077), (0.2, 0.24)])
def test_leniently_false_alarms_are_those_of_the_binomial(noise, share):
    """3 q² − 2 q³ with q = P(noise ≥ ln 1.1). 4 standard errors of 1,000 trials: 6e-5."""
    found = counts((noise,) * 3, 1.0)
    allowed = 4 * math.sqrt(share * (1 - share) / TRIALS)
    assert (found[Level.LENIENT] + found[Level.STRICT]) / TRIALS == pytest.approx(
        share, abs=allowed + 0.001
    )


def test_at_its_own_threshold_a_level_of_all_users_has_the_power_of_three_coins():
    found = counts((0.01,) * 3, 1.5)
    assert found[Level.STRICT] / TRIALS == pytest.approx(1 / 8, abs=0.042)  # 4 standard errors


def test_noise_that_few_seeds_measured_is_less_sure_and_alarms_more():
    """P(t > ln 1.1 / 0.05) is 0.028 for a normal and 0.098 for t of 2: 5 standard errors apart."""
    known, few = (counts((0.05,) * 3, 1.0, freedom)[Level.LENIENT] for freedom in (1e9, 2))
    assert known <= 10  # expected 2.4 of 1,000; more than 10 in 2e-5
    assert few == pytest.approx(1000 * (3 * 0.098**2 - 2 * 0.098**3), abs=21)  # 4 errors of 5.2
    assert counts((9.0,) * 3, 1.0, 1)[Level.CATASTROPHIC] == pytest.approx(500, abs=60)


def test_bounds_of_a_rate_that_never_happened_are_clopper_and_pearsons():
    assert rate_bounds(0, 1000) == (0.0, pytest.approx(1 - 0.025 ** (1 / 1000)))
