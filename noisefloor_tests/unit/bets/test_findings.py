"""What is shown beyond the level is decided once, of users alone, by the tests' own thresholds."""

from dataclasses import replace
from functools import cache

import pytest

from noisefloor_tests.support.results_planted import effects_of, planted_bins
from noisefloor_tests.support.verdicts import of_perplexities, of_slices
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.judging import judge
from pytest_noisefloor.bets.licensing import MARGIN, claimable
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.stats.effect import Effect
from pytest_noisefloor.stats.inference import infer
from pytest_noisefloor.stats.significance import ALPHA

BET = registered_bet("bet60")
BELOW = 0.99 * ALPHA


@cache
def inferred():
    """Effects and inferences of four users: one helped, one hurt, two alike."""
    quotients = {"up": (1.05, 1.0, 1.6), "down": (0.95, 1.0, 1.6)}
    all_bins = planted_bins(quotients | dict.fromkeys(("same", "too"), (1.0, 1.0, 1.6)))
    return effects_of(all_bins), infer(
        all_bins, BET.contrast, margin=MARGIN, spreads=[{}] * len(all_bins)
    )


def verdict(bet=BET, **more):
    """Judge, with the fields in ``more`` in place of each user's own."""
    effects, resolved = inferred()
    changed = [replace(one, **more) for one in resolved]
    named = [
        Effect(
            user=e.user,
            nll={bet.contrast.numerator: e.nll["random"], **e.nll},
            contrast=bet.contrast,
        )
        for e in effects
    ]
    return judge(bet, named, resolved=changed)


def test_who_won_and_lost_is_decided_by_the_interval_of_the_difference():
    found = verdict().findings
    assert (found.won, found.lost, found.not_shown) == (("up",), ("down",), ("same", "too"))


@pytest.mark.parametrize(
    ("low", "high", "won", "lost"),
    [(1e-9, 1, 4, 0), (0.0, 1, 0, 0), (-1, -1e-9, 0, 4), (-1, 0.0, 0, 0), (-1, 1, 0, 0)],
)
def test_a_difference_is_shown_where_the_interval_excludes_0_and_not_where_it_ends_there(
    low, high, won, lost
):
    delta = replace(inferred()[1][0].delta, estimate=(low + high) / 2, low=low, high=high)
    found = verdict(delta=delta).findings
    assert (len(found.won), len(found.lost), len(found.not_shown)) == (won, lost, 4 - won - lost)


@pytest.mark.parametrize(("p", "differing"), [(BELOW, 4), (ALPHA, 0), (None, 0)])
def test_slices_differ_below_alpha_and_not_at_it_or_where_they_are_not_tested(p, differing):
    found = verdict(slices_p=p, slices_help_p=None).findings
    assert (len(found.slices_differ_ratio), len(found.slices_differ_help)) == (differing, 0)
    found = verdict(slices_p=None, slices_help_p=p).findings
    assert (len(found.slices_differ_ratio), len(found.slices_differ_help)) == (0, differing)


def test_where_the_ratio_is_help_alone_slices_are_not_said_to_differ_twice():
    found = verdict(registered_bet("bet52"), slices_p=BELOW, slices_help_p=BELOW).findings
    assert len(found.slices_differ_ratio) == 4
    assert found.slices_differ_help == ()


def test_an_effect_below_the_levels_needs_an_interval_help_and_a_level_that_is_missed():
    one = verdict()
    assert one.level is Level.NOT_MET
    assert one.findings.below_level == ("up",)
    assert verdict(help=None).findings.below_level == ()
    assert replace(one, level=Level.LENIENT).findings.below_level == ()


def test_the_test_across_users_comes_with_the_fewest_users_that_it_needs():
    one = verdict()
    positive = [replace(e, nll=e.nll | {"random": e.nll["real"] + 0.1}) for e in one.effects]
    found = replace(one, effects=tuple(positive)).findings
    assert found.users_p == pytest.approx(1 / 2**4)  # exact: all four signs are positive
    assert found.users_p_exact
    assert found.users_p_least_users == 5  # 1/32 is the first power of a half below 0.05


@pytest.mark.parametrize(("users", "rate"), [(1, 1 / 2), (3, 1 / 2), (4, 5 / 16), (6, 22 / 64)])
def test_coin_tosses_meet_a_threshold_of_1_by_the_binomial_tail(users, rate):
    """CATASTROPHIC needs 1 of 1, 2 of 3, 3 of 4 and 4 of 6, below 1."""
    one = of_perplexities(**{f"u{n}": (9, 100, 150) for n in range(users)})
    assert one.findings.coin_flip_rates == {Level.CATASTROPHIC: rate}


def test_no_coin_is_tossed_where_the_best_of_several_was_chosen():
    assert verdict(registered_bet("bet61")).findings.coin_flip_rates == {}


def test_point_estimates_show_nothing_but_what_may_be_claimed():
    one = of_perplexities(ann=(9, 100, 150))
    found = one.findings
    assert found.claimable == claimable(one)
    assert (found.won, found.lost, found.not_shown, found.helped) == ((), (), (), ())
    assert (found.users_p, found.users_p_least_users) == (None, None)


@pytest.mark.parametrize("unit", ["cell", "pair"])
def test_cells_and_pairs_are_not_taken_for_independent_users(unit):
    one = verdict(registered_bet("bet60-seeds")) if unit == "cell" else of_slices([0.003, 0.001])
    found = one.findings
    assert found.helped == one.helped
    assert found.claimable == claimable(one)
    assert found.below_level == ()
    assert (found.slices_differ_ratio, found.slices_differ_help) == ((), ())
    assert found.coin_flip_rates == {}
    assert (found.users_p, found.users_p_exact) == (None, False)
