"""Verdicts beyond the level: what was reachable, what rests on harm, what chance would say."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support.results_planted import effects_of, planted_result, planted_tallies
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.error_rates import TRIALS, assess, error_rates, rate_bounds
from pytest_noisefloor.bets.judging import claimable, margin
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.prose import render_prose
from pytest_noisefloor.report.tables import chance_table, level_table, rate_table, render
from pytest_noisefloor.results.rejudging import rejudge, rejudge_content
from pytest_noisefloor.stats.blocks import Scores, bin_sums
from pytest_noisefloor.stats.inference import infer

pytestmark = pytest.mark.usefixtures("few_resamples")

BET = registered_bet("bet60")


def verdict(**users):
    """Judge users given as name=(help, harm, the oracle's help): quotients of perplexities."""
    all_bins = planted_tallies(users)
    return assess(BET, effects_of(all_bins), all_bins)


def reach(one, level):
    return next(r for r in one.reach if r.level == level)


# --- reach -------------------------------------------------------------------------------------


def test_a_level_that_the_held_out_text_itself_could_not_buy_was_out_of_reach():
    one = verdict(a=(1.01, 1.0, 1.02), b=(1.01, 1.0, 1.03), c=(1.01, 1.0, 1.2))
    assert one.level is Level.NOT_MET
    lenient = reach(one, Level.LENIENT)
    assert (lenient.by_ratio, lenient.n_required, lenient.within) == (("c",), 2, False)
    text = render_prose(one)
    assert (
        "Reach of LENIENT (2 needed), were the adapters trained on the held-out text itself: "
        "out of reach (1 of 3), by help alone out of reach (1 of 3)." in text
    )
    assert "That personalisation is absent may not be claimed: LENIENT was out of reach" in text
    assert "For these adapters an effect below the registered levels is shown for a, b, c" in text


def test_a_level_that_the_oracle_reached_and_the_real_arm_missed_was_within_reach():
    one = verdict(a=(1.0, 1.0, 1.3), b=(1.0, 1.0, 1.3), c=(1.0, 1.0, 1.3))
    assert reach(one, Level.LENIENT).within
    assert not reach(one, Level.STRICT).within
    assert one.absent == ("a", "b", "c")
    assert claimable(one) == ("NOT_MET", "ABSENT")


def test_what_the_real_arm_met_was_within_reach_whatever_the_oracle_did():
    one = verdict(a=(1.2, 1.0, 1.0), b=(1.2, 1.0, 1.0), c=(1.2, 1.0, 1.0))
    assert reach(one, Level.LENIENT).by_ratio == ("a", "b", "c")


def test_reach_counts_what_the_oracles_interval_touches():
    """Its upper bound and not its estimate: the best text may be a little better yet."""
    one = verdict(a=(1.0, 1.0, 1.097), b=(1.0, 1.0, 1.097), c=(1.0, 1.0, 1.05))
    assert max(r.oracle.estimate for r in one.resolved) < math.log(1.1)
    assert reach(one, Level.LENIENT).by_ratio == ("a", "b")


def test_random_harm_brings_the_ratio_within_reach_but_not_help():
    one = verdict(a=(1.0, 1.2, 1.0), b=(1.0, 1.2, 1.0), c=(1.0, 1.2, 1.0))
    lenient = reach(one, Level.LENIENT)
    assert (lenient.by_ratio, lenient.within) == (("a", "b", "c"), True)
    assert (lenient.by_help, lenient.within_help) == ((), False)
    assert "LENIENT 2 of 3 3 yes within reach out of reach" in " ".join(level_table(one).split())


def test_help_alone_is_within_reach_by_the_users_own_text_or_by_the_oracles():
    one = verdict(a=(1.2, 1.0, 1.0), b=(1.0, 1.0, 1.2), c=(1.0, 1.0, 1.0))
    lenient = reach(one, Level.LENIENT)
    assert (lenient.by_help, lenient.within_help) == (("a", "b"), True)
    assert reach(one, Level.STRICT).within_help is False


def test_the_normalised_score_is_only_given_where_there_was_something_to_gain():
    some, none = verdict(a=(1.05, 1.0, 1.1), b=(1.05, 1.0, 1.0)).resolved
    assert some.fraction_of_oracle == pytest.approx(0.5, abs=0.1)  # se of either Δ is 2 % of 0.1
    assert none.fraction_of_oracle is None


# --- harm --------------------------------------------------------------------------------------


def test_a_strict_that_random_harm_bought_rests_on_harm_and_may_not_be_claimed():
    """The case of a hundredfold learning rate: 2.27 = harm 2.19 × help 1.04."""
    one = verdict(a=(1.0, 2.2, 1.1), b=(1.04, 2.2, 1.1), c=(1.04, 2.2, 1.1))
    assert one.level is Level.STRICT
    assert one.rests_on_harm == (Level.STRICT, Level.LENIENT)
    assert "a" not in one.helped
    assert claimable(one) == ()
    assert "STRICT rests on harm" in render_prose(one)
    assert "STRICT 3 of 3 3 yes" in " ".join(level_table(one).split())
    assert "STRICT may not be claimed: on a it is not shown" in render_prose(one)


def test_a_strict_that_the_users_text_bought_may_be_claimed():
    one = verdict(a=(1.6, 1.0, 1.7), b=(1.6, 1.0, 1.7), c=(1.6, 1.0, 1.7))
    assert one.rests_on_harm == ()
    assert claimable(one) == ("LENIENT", "STRICT")
    assert (
        "May be claimed, of these adapters (one seed), these users, this base and recipe: LENIENT, "
        "STRICT." in render_prose(one)
    )
    assert "STRICT 3 of 3 3 no" in " ".join(level_table(one).split())


# --- error rates -------------------------------------------------------------------------------


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


def test_at_its_own_bar_a_level_of_all_users_has_the_power_of_three_coins():
    found = counts((0.01,) * 3, 1.5)
    assert found[Level.STRICT] / TRIALS == pytest.approx(1 / 8, abs=0.042)  # 4 standard errors


def test_noise_that_few_seeds_measured_is_less_sure_and_alarms_more():
    """P(t > ln 1.1 / 0.05) is 0.028 for a normal and 0.098 for t of 2: 5 standard errors apart."""
    known, few = (counts((0.05,) * 3, 1.0, freedom)[Level.LENIENT] for freedom in (1e9, 2))
    assert known <= 10  # expected 2.4 of 1,000; more than 10 in 2e-5
    assert few == pytest.approx(1000 * (3 * 0.098**2 - 2 * 0.098**3), abs=21)  # 4 errors of 5.2
    assert counts((9.0,) * 3, 1.0, 1)[Level.CATASTROPHIC] == pytest.approx(500, abs=60)


def test_the_half_of_catastrophic_stands_in_table_and_words():
    one = verdict(a=(1.0, 1.0, 1.0), b=(1.0, 1.0, 1.0), c=(1.0, 1.0, 1.0))
    null = next(s for s in one.error_rates if s.ratio == 1)
    share = f"{null.counts[Level.CATASTROPHIC] / null.trials:.1%} ["
    assert null.counts[Level.CATASTROPHIC] == pytest.approx(500, abs=60)  # 3.8 standard errors
    row = next(line for line in rate_table(one).splitlines() if line.startswith("1 "))
    assert share in row
    text = render_prose(one)
    assert f"would still say CATASTROPHIC in {share}" in text
    assert (
        "CATASTROPHIC has no margin: without any difference, chance alone brings it in 50%" in text
    )


SPREADS = {"real": (0.0, 0.1, 0.05), "random": (0.06, 0.0, -0.1), "oracle": (0.0, 0.01, 0.02)}


def test_rates_of_several_seeds_have_their_spread_in_the_noise_and_say_so():
    users = dict.fromkeys("abc", (1.0, 1.0, 1.0))
    all_bins = planted_tallies(users, spreads=SPREADS)
    many = assess(BET, effects_of(all_bins), all_bins)
    one = verdict(**users)
    few, more = (next(s for s in v.error_rates if s.ratio == 1).counts for v in (one, many))
    assert few[Level.LENIENT] + few[Level.STRICT] == 0
    assert more[Level.LENIENT] + more[Level.STRICT] > 50  # t of 2, error 0.08: 0.17 a user
    text = render_prose(many)
    assert "lower bound" not in text
    assert "noise of one seed" not in rate_table(many)
    # √2 times the standard deviation of 0.06, 0 and −0.1
    assert "two adapters of random tokens with different seeds (A/A) differ by up to 0.11 " in text
    assert "with the spread over 3 seeds" in text
    assert "3 seeds stand where the bet registers 1" in text


def test_bounds_of_a_rate_that_never_happened_are_clopper_and_pearsons():
    assert rate_bounds(0, 1000) == (0.0, pytest.approx(1 - 0.025 ** (1 / 1000)))


def test_rates_of_one_seed_say_what_they_lack():
    text = render_prose(verdict(a=(1.0, 1.0, 1.0)))
    assert "so LENIENT and STRICT come by chance at least so often." in text
    assert "conditional on these adapters and texts" in text
    assert "noise of one seed" in rate_table(verdict(a=(1.0, 1.0, 1.0)))


def test_what_a_design_can_detect_and_how_many_users_a_test_needs_is_printed():
    one = verdict(a=(1.0, 1.0, 1.0), b=(1.0, 1.0, 1.0))
    text = render_prose(one)
    least = ", ".join(f"{r.user} {math.exp(r.mde):.4f}" for r in one.resolved)
    assert f"one test of this design detects with 80 % power: {least}." in text
    assert "below 0.05 it cannot fall with fewer than 5 users" in text


def test_a_sign_flips_p_is_nowhere_without_the_adapters_that_it_is_conditional_on():
    one = verdict(a=(1.2, 1.0, 1.2), b=(1.0, 1.0, 1.0), c=(1.0, 1.1, 1.0))
    assert "sign-flip, Holm; given these adapters" in chance_table(one).splitlines()[0]
    said = [s for s in render_prose(one).split(". ") if "beat" in s or "No difference" in s]
    assert len(said) >= 2
    assert all("these adapters" in s or s.startswith("Inversion") for s in said)


# --- what is too short -------------------------------------------------------------------------


def test_too_little_text_leaves_a_verdict_on_points_that_says_so():
    nll = np.random.default_rng(1).gamma(2, 2, 500).astype(np.float32)
    short = bin_sums(
        "a",
        [{arm: [Scores(nll + i, "x")] for i, arm in enumerate(("untrained", "real", "random"))}],
    )
    one = assess(BET, effects_of([short]), [short])
    assert (one.level, one.resolved, one.reach) == (Level.STRICT, (), ())
    assert claimable(one) == ()
    assert (
        "Point estimates only, so nothing may be claimed. User 'a': 500 held-out"
        in render_prose(one)
    )


def test_a_user_whose_help_has_no_interval_keeps_the_one_of_the_ratio():
    all_bins = planted_tallies(dict.fromkeys("abc", (1.05, 1.0, 1.05)))
    # what the third user's untrained scores have over both others' hangs together for 2,000 tokens
    slow = np.repeat([0.5, -0.5, 0.5, -0.5], len(all_bins[2].tokens) // 4) * all_bins[2].tokens
    sums = all_bins[2].sums
    all_bins[2] = replace(all_bins[2], sums=sums | {"untrained": sums["untrained"] + slow})
    found = assess(BET, effects_of(all_bins), all_bins)
    third = found.resolved[2]
    assert (third.help, third.oracle_help) == (None, None)
    assert third.delta.low < third.delta.estimate < third.delta.high
    assert found.helped == ("a", "b")
    assert [(r.within, r.within_help, r.open_help) for r in found.reach] == [
        (False, False, ("c",)),
        (False, False, ("c",)),
    ]
    text = render_prose(found)
    assert "For c too few independent blocks are left for an interval of help." in text
    assert "by help alone out of reach (0 of 3, 1 not known)" in text


# --- in a file ---------------------------------------------------------------------------------


def test_a_file_is_judged_again_to_the_last_digit(tmp_path):
    content = planted_result({"a": (1.2, 1.0, 1.3), "b": (1.2, 1.1, 1.3), "c": (1.0, 1.0, 1.0)})
    again = rejudge_content(json.loads(json.dumps(content)), BET)
    all_bins = planted_tallies({"a": (1.2, 1.0, 1.3), "b": (1.2, 1.1, 1.3), "c": (1.0, 1.0, 1.0)})
    assert again.resolved == infer(all_bins, BET.contrast, margin=margin(BET))
    assert len(json.dumps(content)) < 200_000
    text = render(again)
    assert text.count("[") > 9 + 12  # three intervals a user, four rates a scenario


def test_another_bet_can_judge_and_its_hash_is_said(tmp_path):
    strict = tmp_path / "strict.toml"
    text = resource_path("bets", "bet60.toml").read_text(encoding="utf-8")
    strict.write_text(text.replace("at_least = 1.1", "at_least = 1.4"), encoding="utf-8")
    file = resource_path("published", "bet60.toml")
    assert rejudge(file).verdict.level is Level.LENIENT
    judged = rejudge(file, against=str(strict))
    assert judged.verdict.level is Level.NOT_MET
    assert any(judged.verdict.bet.sha256[:12] in note for note in judged.notes)
