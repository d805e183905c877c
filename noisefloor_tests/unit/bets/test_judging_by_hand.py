"""The judge on intervals written down by hand, at the very edges of what they say."""

import math
from dataclasses import replace

import pytest

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.comparing import SLACK, compare
from pytest_noisefloor.bets.judging import JudgeError, claimable, judge, margin
from pytest_noisefloor.bets.reach import Outcome
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.prose import render_prose
from pytest_noisefloor.stats.bootstrap import Interval
from pytest_noisefloor.stats.effect import Effect
from pytest_noisefloor.stats.inference import UserInference

BET = registered_bet("bet60")
ABOVE, AT, BELOW = math.log(1.2), 0.0, math.log(0.9)


def interval(low, high=None):
    high = low + 0.01 if high is None else high
    return Interval(
        estimate=(low + high) / 2,
        low=low,
        high=high,
        se=0.005,
        df=40.0,
        blocks=41,
        seeds=1,
        seed_se=0.0,
    )


def resolved(user, *, delta=1e-9, helped=ABOVE, oracle=ABOVE, oracle_help=ABOVE, absent=0.01):
    given = {"help": helped, "oracle": oracle, "oracle_help": oracle_help}
    return UserInference(
        user=user,
        delta=interval(delta),
        harm=None,
        **{key: None if low is None else interval(low) for key, low in given.items()},
        p=0.5,
        holm=0.5,
        equivalence_p=absent,
        mde=0.1,
        slices_p=None,
        slices_help_p=None,
        aa_sd=None,
    )


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
    one = resolved("a", oracle=oracle, oracle_help=oracle_help)
    assert len(verdict([0.0], [one]).reach) == levels
    beside = [resolved("a", oracle=None, oracle_help=None), replace(one, user="b")]
    assert len(verdict([0.0, 0.0], beside).reach) == levels


@pytest.mark.parametrize(("low", "claimed"), [(1e-9, ("LENIENT",)), (0.0, ()), (-1e-9, ())])
def test_the_control_must_be_beaten_resolved_on_whoever_meets_the_level(low, claimed):
    """Where the threshold is 1, half of all tosses meet it."""
    ones = [resolved("a"), resolved("b", delta=low), resolved("c", delta=BELOW)]
    assert claimable(verdict([ABOVE, ABOVE, AT], ones)) == claimed


def test_only_a_bet_with_the_random_control_can_show_absence():
    ones = [resolved(user) for user in "abc"]
    contrast = replace(BET.contrast, numerator="other")
    effects = [
        Effect(user=user, nll={"real": 1.0, "other": 1.0}, contrast=contrast) for user in "abc"
    ]
    one = judge(replace(BET, contrast=contrast), effects, resolved=ones)
    assert claimable(one) == ("NOT_MET",)
    assert claimable(verdict([AT] * 3, ones)) == ("NOT_MET", "ABSENT")


def test_help_must_be_resolved_above_1_and_not_just_down_to_it():
    ones = [resolved("a", helped=1e-9), resolved("b", helped=AT), resolved("c", helped=None)]
    one = verdict([ABOVE] * 3, ones)
    assert one.helped == ("a",)
    assert one.level is Level.LENIENT
    assert claimable(one) == ()
    assert claimable(verdict([ABOVE], [resolved("a", helped=1e-9)])) == ("LENIENT",)
    # and who was helped without meeting the level takes nothing from those who met it
    assert claimable(verdict([ABOVE, ABOVE, AT], [*map(resolved, "abc")])) == ("LENIENT",)


@pytest.mark.parametrize(
    ("ps", "absent"),
    [((0.01, 0.04, 0.04), True), ((0.01, 0.04, 0.05), False), ((0.01, 0.04, 0.06), False)],
)
def test_absence_is_claimable_where_every_user_shows_it_and_not_where_most_do(ps, absent):
    ones = [resolved(user, absent=p) for user, p in zip("abc", ps, strict=True)]
    expected = ("NOT_MET", "ABSENT") if absent else ("NOT_MET",)
    assert claimable(verdict([AT] * 3, ones)) == expected


def test_three_hundred_users_are_judged_as_three_are():
    users = [f"user{n}" for n in range(300)]
    one = judge(BET, [effect(user, AT) for user in users], resolved=[*map(resolved, users)])
    assert claimable(one) == ("NOT_MET", "ABSENT")


def test_absence_is_not_claimable_where_lenient_was_out_of_reach_or_left_open():
    for oracle in (BELOW, None):
        ones = [resolved(user, helped=AT, oracle_help=oracle) for user in "abc"]
        assert claimable(verdict([AT] * 3, ones)) == ("NOT_MET",)


def test_absence_asks_that_lenients_reach_is_shown_by_the_oracles_lower_bounds():
    """An oracle of which little is known touches the threshold from below, and shows no reach."""
    just = math.log(1.1)
    for low, expected in ((just, ("NOT_MET", "ABSENT")), (just - 0.005, ("NOT_MET",))):
        ones = [
            resolved(user, helped=AT, oracle_help=of)
            for user, of in zip("abc", (low, low, AT), strict=True)
        ]
        one = verdict([AT] * 3, ones)
        assert (one.lenient_reach is Outcome.WITHIN) is (low == just)
        assert claimable(one) == expected
    assert "absent may not be claimed: whether LENIENT was within reach is not known" in (
        render_prose(one)
    )


def test_intervals_never_change_the_level():
    """At the threshold by their points; wholly below it, if the intervals were asked."""
    ones = [resolved(user, delta=BELOW) for user in "abc"]
    assert verdict([math.log(1.1)] * 3, ones).level is Level.LENIENT


def test_catastrophic_says_on_whom_it_is_not_shown():
    ones = [resolved("a", delta=BELOW), resolved("b", delta=AT - 0.005)]
    one = verdict([BELOW, -1e-3], ones)
    assert (one.level, one.lost) == (Level.CATASTROPHIC, ("a",))
    assert (
        "CATASTROPHIC is by points: on b it is not shown that random tokens beat the user's own "
        "text." in render_prose(one)
    )
    assert "is absent" not in render_prose(one)


def test_slices_that_differ_are_said_to_bound_what_is_shown():
    ones = [replace(resolved(user), slices_help_p=0.2) for user in "abc"]
    one = verdict([AT] * 3, ones)
    assert "slices differ" not in render_prose(one)
    ones[0] = replace(ones[0], slices_p=0.049, slices_help_p=0.05)
    ones[2] = replace(ones[2], slices_help_p=0.001)
    assert (
        "By more than their tokens explain (Welch, p below 0.05 each), slices differ in the ratio "
        "for a and in help for c: what is shown there is of these slices, not of more text like "
        "them." in render_prose(verdict([AT] * 3, ones))
    )


@pytest.mark.parametrize(("users", "said"), [(499, False), (500, True)])
def test_more_users_than_the_tosses_can_tell_apart_are_said_to_be_too_many(users, said):
    """The least p of 10,000 tosses, times 500, is 5 %."""
    names = [f"u{n}" for n in range(users)]
    one = judge(BET, [effect(user, AT) for user in names], resolved=[*map(resolved, names)])
    assert (f"Of {users} users none could be shown" in render_prose(one)) is said


@pytest.mark.parametrize("order", [1, -1])
def test_the_margin_is_lenients_threshold_in_whatever_order_a_bet_has_its_levels(order):
    assert margin(replace(BET, criteria=BET.criteria[::order])) == math.log(1.1)


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
    for ones in ([], [resolved(user) for user in "abc"]):  # which show absence, by themselves
        assert claimable(verdict([BELOW] * 3, ones)) == ("CATASTROPHIC",)


@pytest.mark.parametrize("helped", [ABOVE, AT])
def test_a_level_rests_on_harm_where_help_alone_would_not_meet_it(helped):
    one = verdict([ABOVE] * 3, helped=helped)
    assert one.level is Level.LENIENT
    assert one.rests_on_harm == (() if helped else (Level.LENIENT,))
    assert verdict([ABOVE] * 3).rests_on_harm == ()  # nobody knows


@pytest.mark.parametrize("criterion", BET.criteria, ids=lambda c: c.level.name)
def test_who_stands_at_the_end_of_a_thresholds_slack_is_at_least_there_and_not_below(criterion):
    end = criterion.threshold * (1 - SLACK)
    assert compare(end, criterion) is (criterion.comparison == "at least")
    assert compare(math.nextafter(end, 0), criterion) is (criterion.comparison == "below")


def test_a_verdict_is_planted_where_that_is_said_alone():
    assert not verdict([AT]).planted
    assert judge(BET, [effect("a", AT)], planted=True).planted


def test_intervals_of_other_users_or_in_another_order_are_refused():
    for others in ("ba", "ac", "aa", "abc", "Ab"):
        with pytest.raises(JudgeError, match=f"intervals of {', '.join(others)}; expected the"):
            verdict([AT, AT], [resolved(user) for user in others])


@pytest.mark.parametrize(("users", "said"), [("", r"\(none\)"), ("aa", "a, a"), ("aba", "a, b, a")])
def test_no_user_or_one_that_counts_twice_cannot_be_judged(users, said):
    with pytest.raises(JudgeError, match=f"^users {said}: expected each once, at least one$"):
        judge(BET, [effect(user, AT) for user in users])
