"""Verdicts beyond the level: what was reachable, what rests on harm, what is too short to say."""

import math
from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support.results_planted import FILED, effects_of, planted_bins
from noisefloor_tests.support.verdicts import of_help_and_harm as verdict
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.error_rates import assess
from pytest_noisefloor.bets.licensing import WhyNotAbsent, claimable, why_not_absent
from pytest_noisefloor.bets.reach import Outcome
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.prose import render_prose
from pytest_noisefloor.report.tables import level_table
from pytest_noisefloor.stats.blocks import Scores, bin_sums

BET = registered_bet("bet60")


def reach(one, level):
    return next(r for r in one.reach if r.level == level)


# --- reach -------------------------------------------------------------------------------------


def test_a_level_that_the_held_out_text_itself_could_not_buy_was_out_of_the_recipes_reach():
    one = verdict(a=(1.01, 1.0, 1.02), b=(1.01, 1.0, 1.03), c=(1.01, 1.0, 1.2))
    assert one.level is Level.NOT_MET
    lenient = reach(one, Level.LENIENT)
    assert (lenient.beyond, lenient.n_required) == (("a", "b"), 2)
    assert lenient.outcome is Outcome.OUT_OF_RECIPE
    text = render_prose(one)
    assert (
        "LENIENT (2 needed) was out of this recipe's reach: its bar is above what the recipe's own "
        "oracle gained for 2 of 3." in text
    )
    assert "What another recipe could reach is not known." in text
    assert "NOT_MET (LENIENT is not shown, and was out of this recipe's reach by help)" in text
    assert (
        "That a gain of 1.1 is absent may not be claimed: that as much was within reach is not "
        "shown." in text
    )
    assert "An effect below the registered levels is shown, of these adapters, for a, b, c" in text


def test_a_level_that_the_oracle_reached_and_the_real_arm_missed_was_within_reach():
    one = verdict(filed=FILED, a=(1.0, 1.0, 1.3), b=(1.0, 1.0, 1.3), c=(1.0, 1.0, 1.3))
    assert one.lenient_reach is Outcome.WITHIN
    assert reach(one, Level.STRICT).outcome is Outcome.OUT_OF_RECIPE
    assert why_not_absent(one) is WhyNotAbsent.NOTHING
    assert claimable(one) == ("NOT_MET", "ABSENT")


def test_what_the_real_arm_met_was_within_reach_whatever_the_oracle_did():
    one = verdict(a=(1.2, 1.0, 1.0), b=(1.2, 1.0, 1.0), c=(1.2, 1.0, 1.0))
    assert reach(one, Level.LENIENT).shown == ("a", "b", "c")


def test_what_the_oracles_interval_touches_is_not_known():
    """Its upper bound and not its estimate: the best text may be a little better yet."""
    one = verdict(a=(1.0, 1.0, 1.097), b=(1.0, 1.0, 1.097), c=(1.0, 1.0, 1.05))
    assert max(r.oracle_help.estimate for r in one.resolved) < math.log(1.1)
    assert reach(one, Level.LENIENT).beyond == ("c",)
    assert one.lenient_reach is Outcome.UNKNOWN


def test_random_harm_brings_no_level_within_reach():
    one = verdict(a=(1.0, 1.2, 1.0), b=(1.0, 1.2, 1.0), c=(1.0, 1.2, 1.0))
    assert one.level is Level.LENIENT
    assert one.lenient_reach is Outcome.OUT_OF_RECIPE
    row = " ".join(level_table(one).split())
    assert "LENIENT 2 of 3 3 no yes out of this recipe's reach" in row


def test_a_level_is_within_reach_by_the_users_own_text_or_by_the_oracles():
    one = verdict(a=(1.2, 1.0, 1.0), b=(1.0, 1.0, 1.2), c=(1.0, 1.0, 1.0))
    assert reach(one, Level.LENIENT).shown == ("a", "b")
    assert one.lenient_reach is Outcome.WITHIN
    assert reach(one, Level.STRICT).outcome is Outcome.OUT_OF_RECIPE


def test_the_normalised_score_is_only_given_where_there_was_something_to_gain():
    some, none = verdict(a=(1.05, 1.0, 1.1), b=(1.05, 1.0, 1.0)).resolved
    assert some.fraction_of_oracle == pytest.approx(0.5, abs=0.1)  # se of either Δ is 2 % of 0.1
    assert none.fraction_of_oracle is None


# --- harm --------------------------------------------------------------------------------------


def test_a_strict_that_random_harm_bought_rests_on_harm_and_may_not_be_claimed():
    """The case of a hundredfold learning rate: 2.27 = harm 2.19 × help 1.04."""
    one = verdict(filed=FILED, a=(1.0, 2.2, 1.1), b=(1.04, 2.2, 1.1), c=(1.04, 2.2, 1.1))
    assert one.level is Level.STRICT
    assert one.rests_on_harm == (Level.STRICT, Level.LENIENT)
    assert "a" not in one.helped
    assert claimable(one) == ("NOT_MET",)
    assert "STRICT rests on harm" in render_prose(one)
    assert "STRICT 3 of 3 3 no yes" in " ".join(level_table(one).split())
    assert "STRICT stands by points and may not be claimed." in render_prose(one)


def test_a_strict_that_the_users_text_bought_may_be_claimed():
    one = verdict(filed=FILED, a=(1.6, 1.0, 1.7), b=(1.6, 1.0, 1.7), c=(1.6, 1.0, 1.7))
    assert one.rests_on_harm == ()
    assert claimable(one) == ("LENIENT", "STRICT")
    assert (
        "May be claimed, of these users, this base and recipe: LENIENT (ratios of at least 1.1); "
        "STRICT (ratios of at least 1.5)." in render_prose(one)
    )
    assert "STRICT 3 of 3 3 yes no" in " ".join(level_table(one).split())


# --- what is too short -------------------------------------------------------------------------


def test_too_little_text_leaves_a_verdict_on_points_that_says_so():
    nll = np.random.default_rng(1).gamma(2, 2, 500).astype(np.float32)
    short = bin_sums(
        "a",
        [{arm: [Scores(nll + i, "x")] for i, arm in enumerate(("untrained", "real", "random"))}],
    )
    one = assess(BET, effects_of([short]), [short])
    assert (one.level, one.resolved, one.reach) == (Level.STRICT, (), ())
    assert claimable(one) == ("NOT_MET",)
    assert "These are point estimates only. User 'a': 500 held-out" in render_prose(one)


def test_a_user_whose_help_has_no_interval_keeps_the_one_of_the_ratio():
    all_bins = planted_bins(dict.fromkeys("abc", (1.05, 1.0, 1.05)))
    # what the third user's untrained scores have over both others' hangs together for 2,000 tokens
    slow = np.repeat([0.5, -0.5, 0.5, -0.5], len(all_bins[2].tokens) // 4) * all_bins[2].tokens
    sums = all_bins[2].sums
    all_bins[2] = replace(all_bins[2], sums=sums | {"untrained": sums["untrained"] + slow})
    found = assess(BET, effects_of(all_bins), all_bins)
    third = found.resolved[2]
    assert (third.help, third.oracle_help) == (None, None)
    assert third.delta.low < third.delta.estimate < third.delta.high
    assert found.helped == ("a", "b")
    assert [(one.outcome, one.beyond) for one in found.reach] == [
        (Outcome.OUT_OF_RECIPE, ("a", "b"))
    ] * 2
    text = render_prose(found)
    assert "For c there is too little held-out text for an interval of help." in text
