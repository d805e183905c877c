"""The rule of reach on figures written down by hand, at the very edges of what they say."""

import math
from dataclasses import replace

import pytest

from noisefloor_tests.support.inferences import inferred as inference
from noisefloor_tests.support.inferences import interval
from noisefloor_tests.support.reach_planted import reached
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.judging import judge
from pytest_noisefloor.bets.reach import Forecast, Outcome, Reach, has_reach
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.stats.effect import Effect

BET = registered_bet("bet60")
BAR = math.log(1.1)
ABOVE, BELOW = BAR + 0.01, BAR - 0.01
HUGE = 1e6  # nats, of which exp is no float


def effect(user, *, helped=0.0, harm=0.0, oracle=0.0):
    """A unit's nats of help, harm and the oracle's help."""
    nll = {"untrained": 4.0, "real": 4 - helped, "random": 4 + harm, "oracle": 4 - oracle}
    return Effect(user=user, nll=nll, contrast=BET.contrast)


def inferred(user, *, oracle=(0.0, 0.0), helped=0.0):
    one = inference(user, helped=helped, oracle=None, oracle_help=None)
    return one if oracle is None else replace(one, oracle_help=interval(*oracle))


def lenient(effects, resolved=(), reachable=(), bet=BET):
    (found,) = (
        one
        for one in judge(bet, effects, resolved=resolved, reachable=reachable).reach
        if one.level is Level.LENIENT
    )
    return found


def of_three(figures, **more):
    """LENIENT's reach, which takes two of three, where each has a ceiling and a gain."""
    users = "abc"
    measured = [
        reached(user, ceiling=ceiling, gain=gain)
        for user, (ceiling, gain) in zip(users, figures, strict=True)
    ]
    return lenient([effect(user, **more) for user in users], reachable=measured)


# --- with ceiling and floor ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "outcome"),
    [
        ([(ABOVE, ABOVE)] * 3, Outcome.WITHIN),
        ([(ABOVE, ABOVE)] * 2 + [(BELOW, 0.0)], Outcome.WITHIN),
        ([(ABOVE, ABOVE)] + [(ABOVE, BELOW)] * 2, Outcome.UNKNOWN),
        ([(ABOVE, BELOW)] * 2 + [(BELOW, 0.0)], Outcome.UNKNOWN),
        ([(ABOVE, ABOVE)] + [(BELOW, 0.0)] * 2, Outcome.OUT),
        ([(BELOW, 0.0)] * 3, Outcome.OUT),
        ([(HUGE, BELOW)] * 3, Outcome.UNKNOWN),
    ],
)
def test_a_level_is_within_reach_by_floors_out_of_it_by_ceilings_and_else_not_known(
    figures, outcome
):
    found = of_three(figures)
    assert found.outcome is outcome
    assert found.by_ceilings is (outcome is Outcome.OUT)


def test_the_bar_itself_is_reached_by_a_floor_and_not_out_of_reach_of_a_ceiling():
    at = math.log(1.1)
    assert of_three([(at, at)] * 3).outcome is Outcome.WITHIN
    assert of_three([(at, 0.0)] * 3).outcome is Outcome.UNKNOWN
    just = at - 1e-9
    assert of_three([(just, 0.0)] * 3).outcome is Outcome.OUT


def test_a_floor_is_counted_by_its_lower_bound_and_not_by_its_estimate():
    """A standard error of 0.5 nats over √128 bins, a twentieth of a nat."""
    users = [reached(user, ceiling=1.0, gain=ABOVE, noise=0.5) for user in "abc"]
    assert all(one.floor.low < BAR < one.floor.estimate for one in users)
    found = lenient([effect(user) for user in "abc"], reachable=users)
    assert (found.shown, found.outcome) == ((), Outcome.UNKNOWN)


def test_a_text_too_short_for_a_floor_can_still_be_out_of_reach():
    short = [reached(user, ceiling=BELOW, gain=0.0, bins=4) for user in "abc"]
    assert short[0].floor is None
    assert lenient([effect(user) for user in "abc"], reachable=short).outcome is Outcome.OUT


@pytest.mark.parametrize("gained", [{"helped": ABOVE}, {"oracle": ABOVE}])
def test_a_ceiling_that_a_measured_gain_has_passed_denies_nothing(gained):
    """It is an estimate: what was trained is the better evidence."""
    assert of_three([(BELOW, 0.0)] * 3, **gained).outcome is Outcome.UNKNOWN
    assert of_three([(BELOW, ABOVE)] * 3).outcome is Outcome.WITHIN


def test_an_oracle_or_a_user_whose_lower_bound_meets_the_bar_shows_reach_too():
    units = [effect(user) for user in "abc"]
    measured = [reached(user, ceiling=ABOVE, gain=0.0) for user in "abc"]
    for shown in ({"oracle": (ABOVE, ABOVE)}, {"helped": ABOVE}):
        ones = [inferred(user, **shown) for user in "ab"]
        found = lenient(units, [*ones, inferred("c")], measured)
        assert (found.shown, found.outcome) == (("a", "b"), Outcome.WITHIN)


# --- harm, and controls that help ---------------------------------------------------------------


def test_harm_brings_nothing_within_reach():
    assert of_three([(BELOW, 0.0)] * 3, harm=1.0).outcome is Outcome.OUT


def test_a_control_that_helped_must_be_beaten_too():
    """The level is of the ratio: harm × help, and here harm is exp(−0.02)."""
    assert of_three([(ABOVE, ABOVE)] * 3, harm=-0.02).outcome is Outcome.OUT
    both = (ABOVE + 0.02, ABOVE + 0.02)
    assert of_three([both] * 3, harm=-0.02).outcome is Outcome.WITHIN


# --- by the recipe's own oracle -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("oracles", "outcome"),
    [
        ([(ABOVE, ABOVE)] * 2 + [(0, 0)], Outcome.WITHIN),
        ([(BELOW, BELOW)] * 2 + [(ABOVE, ABOVE)], Outcome.OUT_OF_RECIPE),
        ([(BELOW, ABOVE)] * 3, Outcome.UNKNOWN),
        ([(0, 0), None, None], Outcome.UNKNOWN),
        ([(0, 0), (0, 0), None], Outcome.OUT_OF_RECIPE),
    ],
)
def test_without_ceilings_the_recipes_oracle_alone_tells_and_of_that_recipe_alone(oracles, outcome):
    ones = [inferred(user, oracle=of) for user, of in zip("abc", oracles, strict=True)]
    found = lenient([effect(user) for user in "abc"], ones)
    assert found.outcome is outcome
    assert not found.by_ceilings


def test_a_method_without_first_order_has_a_floor_and_its_oracle():
    units = [effect(user) for user in "abc"]
    measured = [reached(user, ceiling=None, gain=ABOVE) for user in "abc"]
    assert lenient(units, reachable=measured).outcome is Outcome.WITHIN
    weak = [reached(user, ceiling=None, gain=0.0) for user in "abc"]
    assert lenient(units, reachable=weak).outcome is Outcome.UNKNOWN
    ones = [inferred(user, oracle=(0.0, BELOW)) for user in "abc"]
    assert lenient(units, ones, weak).outcome is Outcome.OUT_OF_RECIPE
    # a step whose gain meets the bar, though no interval shows it, is better than the oracle
    better = [replace(reached(user, ceiling=None, gain=ABOVE), floor=None) for user in "abc"]
    assert lenient(units, ones, better).outcome is Outcome.UNKNOWN


def test_what_one_user_lacks_a_ceiling_for_is_out_of_reach_of_the_recipe_alone():
    measured = [reached("a", ceiling=BELOW, gain=0.0), reached("b", ceiling=None, gain=0.0)]
    ones = [inferred(user, oracle=(0.0, BELOW)) for user in "ab"] + [inferred("c", oracle=None)]
    found = lenient([effect(user) for user in "abc"], ones, measured)
    assert (found.beyond, found.outcome) == (("a", "b"), Outcome.OUT_OF_RECIPE)


def test_enough_ceilings_put_a_level_out_of_reach_whatever_else_is_known_of_the_rest():
    measured = [reached(user, ceiling=BELOW, gain=0.0) for user in "ab"]
    ones = [inferred(user, oracle=(0.0, BELOW)) for user in "abc"]
    found = lenient([effect(user) for user in "abc"], ones, measured)
    assert (found.beyond, found.outcome) == (("a", "b", "c"), Outcome.OUT)


# --- where it has a meaning ---------------------------------------------------------------------


def test_reach_is_that_of_the_users_own_text_by_one_method():
    expected = {
        "bet60": True,
        "bet37": True,
        "bet46": True,
        "bet60-why-vocabulary": False,  # pairs
        "bet60-why-harm": False,  # random tokens
    }
    for name, found in expected.items():
        assert has_reach(registered_bet(name).contrast) is found, name


def test_nothing_is_said_where_nothing_is_known_or_it_has_no_meaning():
    units = [effect(user) for user in "abc"]
    assert judge(BET, units).reach == ()
    assert judge(BET, units, resolved=[inferred(user, oracle=None) for user in "abc"]).reach == ()
    contrast = replace(BET.contrast, denominator="random", numerator="real")
    others = [Effect(user=one.user, nll=one.nll, contrast=contrast) for one in units]
    measured = [reached(user) for user in "abc"]
    bet = replace(BET, contrast=contrast)
    assert judge(bet, others, reachable=measured).reach == ()


def test_catastrophic_has_no_reach():
    found = judge(BET, [effect("a")], reachable=[reached("a")]).reach
    assert [one.level for one in found] == [Level.STRICT, Level.LENIENT]


@pytest.mark.parametrize(
    ("shown", "beyond", "outcome"),
    [
        (2, 0, Outcome.WITHIN),
        (2, 1, Outcome.WITHIN),
        (1, 1, Outcome.UNKNOWN),
        (0, 1, Outcome.UNKNOWN),
        (1, 2, Outcome.OUT),
        (0, 3, Outcome.OUT),
    ],
)
def test_two_of_three_are_enough_either_way(shown, beyond, outcome):
    found = Reach(
        level=Level.LENIENT,
        n_required=2,
        units=3,
        shown=("s",) * shown,
        beyond=("b",) * beyond,
        by_ceilings=True,
    )
    assert found.outcome is outcome


# --- before anything is trained -----------------------------------------------------------------


def forecast(figures, moved=0.005):
    measured = tuple(
        reached(user, ceiling=ceiling, gain=gain, moved=moved)
        for user, (ceiling, gain) in zip("abc", figures, strict=True)
    )
    return Forecast(
        bet=BET,
        base="b",
        planted=False,
        recipe=BET.recipe,
        method="norm-only",
        measured=measured,
    )


@pytest.mark.parametrize(
    ("figures", "outcome"),
    [
        ([(ABOVE, ABOVE)] * 3, Outcome.WITHIN),
        ([(BELOW, 0.0)] * 3, Outcome.OUT),
        ([(ABOVE, BELOW)] * 3, Outcome.UNKNOWN),
        ([(None, BELOW)] * 3, Outcome.UNKNOWN),
    ],
)
def test_a_forecast_says_the_same_of_the_same_figures(figures, outcome):
    (found,) = (one for one in forecast(figures).levels if one.level is Level.LENIENT)
    assert found.outcome is outcome


def test_the_rate_at_which_a_level_is_no_longer_out_of_reach_is_that_of_the_last_user_needed():
    """Ceilings grow in proportion: at 1.25 times the rate, 0.8 of LENIENT's bar is the bar."""
    found = forecast([(0.2 * BAR, 0.0), (0.8 * BAR, 0.0), (0.9 * BAR, 0.0)])
    assert found.distance == pytest.approx(0.005)
    assert found.rate_needed(Level.LENIENT) == pytest.approx(5e-5 / 0.8)
    # STRICT takes all three
    assert found.rate_needed(Level.STRICT) == pytest.approx(5e-5 * math.log(1.5) / (0.2 * BAR))


def test_no_rate_is_given_where_too_few_have_a_ceiling_that_grows():
    assert forecast([(None, 0.0)] * 2 + [(BELOW, 0.0)]).rate_needed(Level.LENIENT) is None
    assert forecast([(0.0, 0.0)] * 2 + [(BELOW, 0.0)]).rate_needed(Level.LENIENT) is None
