"""What is said of chance: rates of error, detectable effects, and what each is conditional on."""

import math

import pytest

from noisefloor_tests.support.results_planted import effects_of, planted_bins
from noisefloor_tests.support.verdicts import of_help_and_harm as verdict
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.error_rates import assess
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.prose import render_prose
from pytest_noisefloor.report.tables import rate_table

BET = registered_bet("bet60")


def test_the_half_of_catastrophic_stands_in_table_and_words():
    one = verdict(a=(1.0, 1.0, 1.0), b=(1.0, 1.0, 1.0), c=(1.0, 1.0, 1.0))
    null = next(s for s in one.error_rates if s.ratio == 1)
    share = f"{null.counts[Level.CATASTROPHIC] / null.trials:.1%} ["
    assert null.counts[Level.CATASTROPHIC] == pytest.approx(500, abs=60)  # 3.8 standard errors
    row = next(line for line in rate_table(one).splitlines() if line.startswith("1 "))
    assert share in row
    text = render_prose(one)
    assert f"would still say, by points, CATASTROPHIC in {share}" in text
    assert (
        "CATASTROPHIC has no margin: without any difference, chance alone brings it in 50%" in text
    )


SPREADS = {"real": (0.0, 0.1, 0.05), "random": (0.06, 0.0, -0.1), "oracle": (0.0, 0.01, 0.02)}


def test_rates_of_several_seeds_have_their_spread_in_the_noise_and_say_so():
    users = dict.fromkeys("abc", (1.0, 1.0, 1.0))
    all_bins = planted_bins(users, spreads=SPREADS)
    many = assess(BET, effects_of(all_bins), all_bins)
    one = verdict(**users)
    few, more = (next(s for s in v.error_rates if s.ratio == 1).counts for v in (one, many))
    assert few[Level.LENIENT] + few[Level.STRICT] == 0
    # t of 3.3, error 0.055: 0.085 a user, and 20 of 1,000; 5 or fewer come in 1e-4
    assert more[Level.LENIENT] + more[Level.STRICT] > 5
    text = render_prose(many)
    assert "lower bound" not in text
    assert "lacks the spread" not in rate_table(many)
    # √2 times the standard deviation of 0.06, 0 and −0.1
    assert (
        "(A/A) by up to 0.071 nats per token (the user's own text), 0.11 nats per token (random"
        in text
    )
    assert "The spread between trainings is in the intervals of a, b, c." in text
    assert "3 seeds stand where the bet registers 1" in text


def test_rates_of_one_seed_say_what_they_lack():
    text = render_prose(verdict(a=(1.0, 1.0, 1.0)))
    assert "so LENIENT and STRICT come by chance at least that often." in text
    assert "Those of a are about these adapters alone" in text
    assert "noise lacks the spread of trainings" in rate_table(verdict(a=(1.0, 1.0, 1.0)))


def test_what_a_design_can_detect_and_how_many_users_a_test_needs_is_printed():
    one = verdict(a=(1.0, 1.0, 1.0), b=(1.0, 1.0, 1.0))
    text = render_prose(one)
    least = ", ".join(f"{r.user} {math.exp(r.mde):.4f}" for r in one.resolved)
    assert f"one test of this design detects with 80 % power: {least}." in text
    assert "below 0.05 it cannot fall with fewer than 5 users" in text


def test_without_the_spread_of_trainings_who_won_is_said_of_these_adapters():
    one = verdict(a=(1.2, 1.0, 1.2), b=(1.0, 1.0, 1.0), c=(1.0, 1.1, 1.0))
    said = [s for s in render_prose(one).split(". ") if "beat" in s]
    assert said
    assert all(
        "these adapters" in s or "may be claimed" in s or s.startswith(("Inversion", "It needs"))
        for s in said
    )
