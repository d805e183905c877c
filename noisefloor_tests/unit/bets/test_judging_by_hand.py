"""The judge on intervals written down by hand, at the very edges of what they say."""

import math
from dataclasses import replace

import pytest

from noisefloor_tests.support.inferences import ABOVE, AT, BELOW, inferred
from pytest_noisefloor.bets.bet import SLACK, Level
from pytest_noisefloor.bets.judging import JudgeError, judge
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.prose import render_prose
from pytest_noisefloor.stats.effect import Effect

BET = registered_bet("bet60")


def effect(user, delta, *, helped=None):
    """A user's Δ, and of it what is help; without it nobody scored the untrained base."""
    nll = {"real": 1.0, "random": 1.0 + delta}
    if helped is not None:
        nll["untrained"] = 1.0 + helped
    return Effect(user=user, nll=nll, contrast=BET.contrast)


def verdict(deltas, ones=(), **help_):
    users = "abcdefgh"[: len(deltas)]
    return judge(
        BET,
        [effect(user, delta, **help_) for user, delta in zip(users, deltas, strict=True)],
        resolved=ones,
    )


@pytest.mark.parametrize(
    ("oracle", "oracle_help", "levels"),
    [(ABOVE, ABOVE, 2), (None, ABOVE, 2), (ABOVE, None, 0), (None, None, 0)],
)
def test_reach_is_given_where_any_oracles_help_has_an_interval(oracle, oracle_help, levels):
    one = inferred("a", oracle=oracle, oracle_help=oracle_help)
    assert len(verdict([0.0], [one]).reach) == levels
    beside = [inferred("a", oracle=None, oracle_help=None), replace(one, user="b")]
    assert len(verdict([0.0, 0.0], beside).reach) == levels


def test_intervals_never_change_the_level():
    """At the threshold by their points; wholly below it, if the intervals were asked."""
    ones = [inferred(user, delta=BELOW) for user in "abc"]
    assert verdict([math.log(1.1)] * 3, ones).level is Level.LENIENT


def test_slices_that_differ_are_said_to_bound_what_is_shown():
    ones = [replace(inferred(user), slices_help_p=0.2) for user in "abc"]
    one = verdict([AT] * 3, ones)
    assert "slices differ" not in render_prose(one)
    ones[0] = replace(ones[0], slices_p=0.049, slices_help_p=0.05)
    ones[2] = replace(ones[2], slices_help_p=0.001)
    assert (
        "By more than their tokens explain (Welch, p below 0.05 each), slices differ in the ratio "
        "for a and in help for c: what is shown there is of these slices, not of more text like "
        "them." in render_prose(verdict([AT] * 3, ones))
    )


@pytest.mark.parametrize("order", [1, -1])
def test_a_criterion_holds_by_its_own_fraction_in_whatever_order_a_bet_has_its_levels(order):
    """Two of three are all that LENIENT and CATASTROPHIC need, and one too few for STRICT."""
    bet = replace(BET, criteria=BET.criteria[::order])
    good, bad = (
        judge(bet, [effect(user, delta) for user, delta in zip("abc", deltas, strict=True)])
        for deltas in ([math.log(1.6)] * 2 + [AT], [BELOW] * 2 + [AT])
    )
    assert [level for level in good.met if good.holds(level)] == [Level.LENIENT]
    assert [level for level in bad.met if bad.holds(level)] == [Level.CATASTROPHIC]


def test_catastrophic_is_no_good_level_that_could_rest_on_harm():
    """Though help by itself, 1.2 on every user, would not be catastrophic at all."""
    one = verdict([BELOW] * 3, helped=ABOVE)
    assert one.level is Level.CATASTROPHIC
    assert one.rests_on_harm == ()


@pytest.mark.parametrize("helped", [ABOVE, AT])
def test_a_level_rests_on_harm_where_help_alone_would_not_meet_it(helped):
    one = verdict([ABOVE] * 3, helped=helped)
    assert one.level is Level.LENIENT
    assert one.rests_on_harm == (() if helped else (Level.LENIENT,))
    assert verdict([ABOVE] * 3).rests_on_harm == ()  # nobody knows


@pytest.mark.parametrize("criterion", BET.criteria, ids=lambda c: c.level.name)
def test_who_stands_at_the_end_of_a_thresholds_slack_is_at_least_there_and_not_below(criterion):
    end = criterion.threshold * (1 - SLACK)
    assert criterion.is_met_by(end) is (criterion.comparison == "at least")
    assert criterion.is_met_by(math.nextafter(end, 0)) is (criterion.comparison == "below")


def test_a_verdict_is_planted_where_that_is_said_alone():
    assert not verdict([AT]).planted
    assert judge(BET, [effect("a", AT)], planted=True).planted


def test_intervals_of_other_users_or_in_another_order_are_refused():
    for others in ("ba", "ac", "aa", "abc", "Ab"):
        with pytest.raises(JudgeError, match=f"intervals of {', '.join(others)}; expected the"):
            verdict([AT, AT], [inferred(user) for user in others])


@pytest.mark.parametrize(("users", "said"), [("", r"\(none\)"), ("aa", "a, a"), ("aba", "a, b, a")])
def test_no_user_or_one_that_counts_twice_cannot_be_judged(users, said):
    with pytest.raises(JudgeError, match=f"^users {said}: expected each once, at least one$"):
        judge(BET, [effect(user, AT) for user in users])
