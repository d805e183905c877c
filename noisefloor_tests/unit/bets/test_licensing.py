"""What may be claimed: planted passes, failures by one condition each, and cheats."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisefloor_tests.support.inferences import ABOVE, AT, BELOW, inferred
from noisefloor_tests.support.reach_planted import reached
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.judging import judge
from pytest_noisefloor.bets.licensing import MARGIN, WhyNotAbsent, bar_is_shown, claimable
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.stats.effect import Effect

BET = registered_bet("bet60")
BAR = math.log(1.1)


def verdict(ones, deltas=None, helps=None, bet=BET, reachable=()):
    """A verdict on inferred users; by points every Δ is 1.2 and every help as large."""
    deltas = deltas or [ABOVE] * len(ones)
    helps = helps or deltas
    control = bet.contrast.numerator
    effects = [
        Effect(
            user=one.user,
            nll={"real": 1.0, control: 1.0 + delta, "untrained": 1.0 + help_},
            contrast=bet.contrast,
        )
        for one, delta, help_ in zip(ones, deltas, helps, strict=True)
    ]
    return judge(bet, effects, resolved=ones, reachable=reachable)


def three(**of_third):
    return [inferred("a"), inferred("b"), inferred("c", **of_third)]


# --- LENIENT and STRICT -----------------------------------------------------------------------


def test_lenient_is_claimed_of_two_who_are_shown_though_a_third_is_not():
    """More evidence than a level needs does not take it away."""
    assert claimable(verdict(three(delta=BELOW))) == ("LENIENT",)
    assert claimable(verdict(three(helped=BELOW))) == ("LENIENT",)
    assert claimable(verdict(three(of_trainings=False))) == ("LENIENT",)


@pytest.mark.parametrize(
    "lack",
    [
        {"delta": 0.0},  # down to 1 is not above it
        {"delta": -1e-9},
        {"helped": 0.0},
        {"helped": None},
        {"of_trainings": False},
    ],
)
def test_two_users_who_lack_one_thing_leave_lenient_unclaimed(lack):
    ones = [inferred("a"), *(inferred(user, **{"high": 0.5} | lack) for user in "bc")]
    one = verdict(ones)
    assert one.level is Level.LENIENT
    assert claimable(one) == ("NOT_MET",)


def test_who_is_shown_without_meeting_the_bar_does_not_count_for_who_meets_it_unshown():
    ones = [inferred("a"), inferred("b"), inferred("c", delta=BELOW, high=0.5)]
    one = verdict(ones, deltas=[ABOVE, math.log(1.05), ABOVE])
    assert one.met[Level.LENIENT] == ("a", "c")
    assert claimable(one) == ("NOT_MET",)


def test_strict_needs_everybody_and_brings_lenient_with_it():
    high = [math.log(1.6)] * 3
    assert claimable(verdict(three(), high)) == ("LENIENT", "STRICT")
    assert claimable(verdict(three(delta=0.0), high)) == ("LENIENT",)


def test_a_level_that_rests_on_harm_is_not_claimed_however_well_it_is_shown():
    """Ratios of 3 that stand on helps of 1.05, each of them resolved."""
    one = verdict(three(high=2.0), [math.log(3)] * 3, [math.log(1.05)] * 3)
    assert {*one.rests_on_harm} == {Level.LENIENT, Level.STRICT}
    assert claimable(one) == ("NOT_MET",)


def test_a_bar_is_said_to_be_shown_only_below_the_intervals_of_as_many_as_it_needs():
    shown = [inferred("a", delta=BAR), inferred("b", delta=BAR), inferred("c")]
    assert verdict(shown).findings.bar_shown == ("LENIENT",)
    short = [inferred("a", delta=BAR), inferred("b", delta=BAR - 1e-6), inferred("c")]
    assert verdict(short).findings.bar_shown == ()
    assert claimable(verdict(short)) == ("LENIENT",)
    unhelped = [inferred("a", delta=BAR), inferred("b", delta=BAR, helped=0.0), inferred("c")]
    assert not bar_is_shown(verdict(unhelped), Level.LENIENT)


# --- CATASTROPHIC and NOT_MET -----------------------------------------------------------------


def test_users_who_are_shown_one_by_one_are_not_enough_where_many_were_asked():
    """Of 24 users 16 are shown at p = 0.02 each, as chance may have it for one: 9 × 0.02."""

    def of(name, shown, t):
        one = inferred(name, delta=0.02 if shown else BELOW, high=0.5)
        delta = replace(one.delta, estimate=0.01 * t, se=0.01) if shown else one.delta
        return replace(one, delta=delta)

    for t, expected in ((2.5, ("NOT_MET",)), (5.0, ("LENIENT",))):
        one = verdict([of(f"u{at}", at < 16, t) for at in range(24)])
        assert len(one.findings.gaining) == 16
        assert claimable(one) == expected


def test_help_counts_for_harm_on_the_very_users_who_are_shown():
    """Two meet the bar by the ratio, and one of these with another by help alone."""
    ones = [inferred("a"), inferred("b"), inferred("c", delta=BELOW, high=0.5)]
    one = verdict(ones, [ABOVE, ABOVE, 0.0], [ABOVE, math.log(1.02), ABOVE])
    assert one.rests_on_harm == ()
    assert claimable(one) == ("NOT_MET",)


def test_catastrophic_is_claimed_of_as_many_as_are_shown_to_lose_and_not_by_points():
    lost = {"delta": BELOW, "high": -0.05}
    low = [BELOW] * 3
    assert claimable(verdict([inferred(u, **lost) for u in "abc"], low)) == ("CATASTROPHIC",)
    two = [inferred("a", **lost), inferred("b", **lost), inferred("c", delta=BELOW, high=0.1)]
    assert "CATASTROPHIC" in claimable(verdict(two, low))
    for lack in ({"high": 0.0}, {"high": -1e-9, "of_trainings": False}):
        one = [inferred("a", **lost), *(inferred(u, delta=BELOW, **lack) for u in "bc")]
        assert claimable(verdict(one, low)) == ("NOT_MET",)


@given(
    st.lists(
        st.tuples(st.sampled_from([BELOW, AT, 1e-9, BAR, ABOVE]), st.booleans(), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
def test_not_met_may_be_claimed_exactly_where_no_level_may(users):
    ones = [
        inferred(
            f"u{at}", delta=delta, high=0.5, helped=AT if unhelped else ABOVE, of_trainings=known
        )
        for at, (delta, unhelped, known) in enumerate(users)
    ]
    found = claimable(verdict(ones, [delta for delta, *_ in users]))
    assert bool({"LENIENT", "CATASTROPHIC"} & {*found}) != ("NOT_MET" in found)
    assert "STRICT" not in found or "LENIENT" in found


def test_point_estimates_license_not_met_alone():
    effects = [Effect(user="a", nll={"real": 1.0, "random": 2.0}, contrast=BET.contrast)]
    one = judge(BET, effects)
    assert one.level is Level.STRICT
    assert claimable(one) == ("NOT_MET",)


# --- ABSENT -----------------------------------------------------------------------------------

ALIKE = [AT] * 3


def test_absence_is_claimed_where_every_interval_lies_within_it():
    ones = three(delta=-MARGIN + 1e-9, high=MARGIN - 1e-9)
    assert claimable(verdict(ones, ALIKE)) == ("NOT_MET", "ABSENT")


@pytest.mark.parametrize(
    ("lack", "why"),
    [
        ({"delta": -MARGIN}, WhyNotAbsent.TOO_WIDE),
        ({"delta": 0.0, "high": MARGIN}, WhyNotAbsent.TOO_WIDE),
        ({"of_trainings": False}, WhyNotAbsent.ONE_TRAINING),
    ],
)
def test_one_user_is_enough_to_take_absence_away(lack, why):
    one = verdict(three(**lack), ALIKE)
    assert claimable(one) == ("NOT_MET",)
    assert one.findings.why_not_absent is why


def test_absence_is_about_1_1_whatever_the_bars_of_the_bet():
    """A bet whose LENIENT asks for 1 has no margin of its own, and a bar of 2 gives none."""
    for bar in (1.0, 1.5):
        criteria = (BET.criteria[0], replace(BET.criteria[1], threshold=bar), BET.criteria[2])
        bet = replace(BET, criteria=criteria)
        just = [-0.001] * 3
        assert "ABSENT" in claimable(verdict(three(), just, bet=bet))
        wide = three(delta=-0.2, high=0.2)
        assert "ABSENT" not in claimable(verdict(wide, just, bet=bet))


def test_absence_needs_a_gain_of_1_1_within_reach_by_help():
    """The oracle's ratio does not count: harm by the control is no reach."""
    low = [inferred(u, oracle_help=BAR - 1e-9) for u in "ab"]
    one = verdict([*low, inferred("c")], ALIKE)
    assert one.findings.why_not_absent is WhyNotAbsent.NO_REACH
    enough = [inferred("a", oracle_help=BELOW), *map(inferred, "bc")]
    assert "ABSENT" in claimable(verdict(enough, ALIKE))


@pytest.mark.parametrize(("gain", "absent"), [(BAR + 1e-9, True), (BAR - 1e-9, False)])
def test_a_measured_step_shows_reach_too_where_the_oracle_does_not(gain, absent):
    """The larger of both lower bounds counts, and for as many users as LENIENT needs."""
    ones = [inferred(user, oracle_help=BELOW) for user in "ab"]
    steps = [reached(user, ceiling=1.0, gain=gain) for user in "ab"]
    one = verdict([*ones, inferred("c", oracle_help=None)], ALIKE, reachable=steps)
    assert ("ABSENT" in claimable(one)) is absent
    alone = verdict([*ones, inferred("c", oracle_help=None)], ALIKE, reachable=steps[:1])
    assert "ABSENT" not in claimable(alone)
    # an oracle that shows it is not taken back by a worse step
    weak = [reached(user, ceiling=1.0, gain=0.0) for user in "abc"]
    assert "ABSENT" in claimable(verdict(three(), ALIKE, reachable=weak))


def test_only_a_bet_with_the_random_control_can_show_absence():
    bet = replace(BET, contrast=replace(BET.contrast, numerator="other"))
    one = verdict(three(), ALIKE, bet=bet)
    assert claimable(one) == ("NOT_MET",)
    assert one.findings.why_not_absent is WhyNotAbsent.NO_RANDOM_CONTROL


def test_a_finite_random_text_is_a_random_control_too():
    bet = replace(BET, contrast=replace(BET.contrast, numerator="random-text"))
    assert "ABSENT" in claimable(verdict(three(), ALIKE, bet=bet))


def test_absence_needs_an_interval_of_everybody():
    ones = three()
    effects = [
        Effect(user=user, nll={"real": 1.0, "random": 1.0}, contrast=BET.contrast)
        for user in "abcd"
    ]
    one = judge(BET, effects, resolved=ones)
    assert one.findings.why_not_absent is WhyNotAbsent.NO_INTERVALS
    assert claimable(one) == ("NOT_MET",)


def test_a_share_counts_those_it_rounds_up_to():
    """Two of three of 100 users are 67, and 67 who are shown are enough."""
    assert BET.criterion(Level.LENIENT).fraction == Fraction(2, 3)
    for shown, expected in ((67, "LENIENT"), (66, "NOT_MET")):
        ones = [
            inferred(f"u{at}") if at < shown else inferred(f"u{at}", delta=BELOW, high=0.1)
            for at in range(100)
        ]
        assert claimable(verdict(ones)) == (expected,)
