"""The p value of what a claim asserts, by hand: two-sided p values, and partial conjunctions."""

import math
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import pytest

from pytest_noisefloor.bets.licensing import ASSERTIONS, assertion_p
from pytest_noisefloor.bets.registry import registered_bet

BET = registered_bet("bet60")


def interval(t):
    """An interval of a t value with two degrees of freedom, where p = 1 − |t| / √(2 + t²)."""
    return SimpleNamespace(estimate=0.01 * t, se=0.01, df=2.0, p=p(t))


def p(t):
    return 1 - abs(t) / math.sqrt(2 + t * t)


def verdict(*users, bet=BET):
    """Of users given as their t values of Δ and of help and their equivalence p, or as None."""
    resolved = [
        SimpleNamespace(
            user=name,
            delta=interval(delta),
            help=None if help_ is None else interval(help_),
            equivalence_p=equivalence,
        )
        for name, (delta, help_, equivalence) in named(users)
    ]
    effects = [SimpleNamespace(user=f"user{n}") for n in range(len(users))]
    return SimpleNamespace(bet=bet, effects=effects, resolved=resolved)


def named(users):
    return [(f"user{n}", of) for n, of in enumerate(users) if of is not None]


def test_two_of_three_is_twice_the_second_smallest_of_the_larger_p_of_a_user():
    """The third user's help is against the claim: that user is the one who need not be helped."""
    of = verdict((20.0, 10.0, 1.0), (30.0, 40.0, 1.0), (50.0, -50.0, 1.0))
    assert assertion_p(of, "LENIENT") == pytest.approx(2 * p(10.0), rel=1e-12)
    assert p(10.0) == pytest.approx(0.0098525, abs=1e-7)


def test_all_of_three_is_the_largest_p_of_a_user():
    of = verdict((20.0, 10.0, 1.0), (30.0, 40.0, 1.0), (8.0, 50.0, 1.0))
    assert assertion_p(of, "STRICT") == pytest.approx(p(8.0), rel=1e-12)


def test_sixteen_of_twenty_four_is_nine_times_the_sixteenth():
    of = verdict(*((10.0 * n, 1000.0, 1.0) for n in range(1, 25)))
    # the k-th smallest p is that of the k-th largest t, which is 10 × (25 − k)
    assert assertion_p(of, "LENIENT") == pytest.approx(9 * p(90.0), rel=1e-9)


def test_what_lies_in_the_wrong_direction_or_at_0_is_no_evidence_however_large():
    for delta, help_ in ((-50.0, 50.0), (50.0, -50.0), (0.0, 50.0)):
        of = verdict(*[(delta, help_, 1.0)] * 3)
        assert assertion_p(of, "LENIENT") == assertion_p(of, "STRICT") == 1.0


def test_that_the_control_won_is_asked_of_the_ratio_alone_and_below_1():
    of = verdict((-20.0, 50.0, 1.0), (-10.0, None, 1.0), (50.0, 50.0, 1.0))
    assert assertion_p(of, "CATASTROPHIC") == pytest.approx(2 * p(10.0), rel=1e-12)
    assert assertion_p(verdict(*[(20.0, 20.0, 1.0)] * 3), "CATASTROPHIC") == 1.0


def test_a_user_without_an_interval_counts_with_1():
    good = (20.0, 20.0, 0.01)
    assert assertion_p(verdict(good, good, None), "LENIENT") == pytest.approx(2 * p(20.0))
    assert assertion_p(verdict(good, None, None), "LENIENT") == 1.0
    assert assertion_p(verdict(good, good, None), "STRICT") == 1.0
    assert assertion_p(verdict(good, good, None), "ABSENT") == 1.0
    unhelped = (20.0, None, 0.01)
    assert assertion_p(verdict(good, unhelped, unhelped), "LENIENT") == 1.0


def test_a_gain_is_absent_with_the_largest_equivalence_p():
    assert assertion_p(verdict((1.0, 1.0, 0.001), (1.0, 1.0, 0.03)), "ABSENT") == 0.03


def test_a_difference_without_noise_is_certain():
    of = verdict(*[(20.0, 20.0, 1.0)] * 3)
    for one in (interval for user in of.resolved for interval in (user.delta, user.help)):
        one.se = one.p = 0.0
    assert assertion_p(of, "STRICT") == 0.0
    of.resolved[0].delta.estimate = 0.0
    assert assertion_p(of, "STRICT") == 1.0


def test_no_p_is_more_than_1_and_what_is_not_shown_has_none():
    of = verdict(*[(0.5, 0.5, 1.0)] * 24)
    assert {name: assertion_p(of, name) for name in ASSERTIONS} == {
        **dict.fromkeys(ASSERTIONS, 1.0),
        "STRICT": pytest.approx(p(0.5)),
        "NOT_MET": None,
    }


def test_how_many_users_a_level_needs_is_the_bets_own():
    """One of two: a share that no bet can have, since CATASTROPHIC could hold beside it."""
    half = replace(BET.criteria[0], fraction=Fraction(1, 2))
    bet = SimpleNamespace(criterion=lambda _: half)
    good, bad = (20.0, 20.0, 1.0), (-1.0, 1.0, 1.0)
    assert assertion_p(verdict(good, bad, bad, bad, bet=bet), "LENIENT") == 1.0
    found = assertion_p(verdict(good, good, bad, bad, bet=bet), "LENIENT")
    assert found == pytest.approx(3 * p(20.0))
