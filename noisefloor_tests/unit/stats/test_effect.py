"""Effects: what is a mean of what, and what quotients of perplexities must satisfy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.stats.contrast import StatisticsError
from pytest_noisefloor.stats.effect import LARGEST_NLL, Effect, effect_from_perplexities, mean_nll

CONTRAST = registered_bet("bet60").contrast
NLL = st.floats(0, 20)  # nats per token; guessing among 49,152 tokens costs 10.8

# Relative rounding of a quotient of three exponentials of rounded differences, each below 20 nats:
# half a unit in the last place of 20 is 1.8e-15 and becomes relative under exp; three of them.
ROUNDING = 3 * 1.8e-15


def effect(real, random, untrained=None):
    nll = {"real": real, "random": random}
    if untrained is not None:
        nll["untrained"] = untrained
    return Effect(user="ann", nll=nll, contrast=CONTRAST)


def published(**perplexities):
    return effect_from_perplexities("ann", perplexities, CONTRAST)


@given(NLL, NLL)
def test_delta_changes_its_sign_when_the_arms_are_exchanged(real, random):
    assert effect(real, random).delta == -effect(random, real).delta


@given(NLL, NLL, NLL)
def test_ratio_is_harm_times_help(real, random, untrained):
    one = effect(real, random, untrained)
    assert math.isclose(one.ratio, one.harm * one.help, rel_tol=ROUNDING)


@given(NLL, NLL, NLL, st.floats(-20, 20))
def test_what_is_hard_for_every_arm_alike_changes_no_quotient(real, random, untrained, shift):
    """To half a unit in the last place of 40 nats, 3.6e-15, in each of four sums."""
    one = effect(real, random, untrained)
    all_harder = effect(real + shift, random + shift, untrained + shift)
    for name in ("ratio", "harm", "help"):
        assert math.isclose(getattr(one, name), getattr(all_harder, name), rel_tol=4 * 3.6e-15)


def test_harm_and_help_are_seen_from_the_untrained_base():
    one = published(real=80, random=150, untrained=100)
    assert [round(value, 9) for value in (one.harm, one.help, one.ratio)] == [1.5, 1.25, 1.875]


def test_harm_and_help_are_unknown_without_the_untrained_base():
    one = published(real=80, random=150)
    assert (one.harm, one.help) == (None, None)


@pytest.mark.parametrize(
    ("random", "winner"), [(2.0, "tie"), (math.nextafter(2, 3), "real"), (1.9, "random")]
)
def test_the_lower_perplexity_wins(random, winner):
    assert effect(2.0, random).winner == winner


def test_slices_are_pooled_by_tokens_and_not_by_slices():
    long, short = np.full(3, 1.0, np.float32), np.full(1, 5.0, np.float32)
    assert mean_nll([long, short]) == 2.0  # the mean of the slices' means is 3


@given(st.permutations([[1e8], [1.0, 2.0], [3.0], [1e-8]]))
def test_the_order_of_slices_changes_nothing(slices):
    arrays = [np.array(part, np.float32) for part in slices]
    assert mean_nll(arrays) == math.fsum([1e8, 1, 2, 3, float(np.float32(1e-8))]) / 5


def test_many_small_scores_are_not_lost_beside_a_large_one():
    scores = np.full(2**16, 2.0**-8, np.float32)
    scores[0] = 2.0**20  # a running sum in float32 would stay at 2 ** 20
    assert mean_nll([scores]) == (2.0**20 + (2**16 - 1) * 2.0**-8) / 2**16


@pytest.mark.parametrize("slices", [[], [[]], [[1.0, math.nan]], [[math.inf], [1.0]]])
def test_no_scores_or_scores_that_are_not_finite_are_an_error(slices):
    with pytest.raises(StatisticsError, match="expected finite scores"):
        mean_nll([np.array(part, np.float32) for part in slices])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, math.nextafter(LARGEST_NLL, 1e9)])
@pytest.mark.parametrize("arm", ["real", "random", "untrained"])
def test_an_effect_that_is_no_number_is_an_error(arm, value):
    figures = {"real": 1.0, "random": 1.0, "untrained": 1.0, arm: value}
    with pytest.raises(StatisticsError, match=rf"user 'ann': mean NLL\({arm}\) = .*expected a fin"):
        effect(**figures)


def test_the_largest_mean_still_has_quotients():
    assert math.isfinite(effect(-LARGEST_NLL, LARGEST_NLL).ratio)


@pytest.mark.parametrize("value", [0.999, 0, -5, math.nan, math.inf])
@pytest.mark.parametrize("arm", ["real", "random", "untrained"])
def test_a_perplexity_that_none_can_be_is_an_error(arm, value):
    figures = {"real": 10, "random": 10, "untrained": 10, arm: value}
    with pytest.raises(StatisticsError, match=rf"user 'ann': {arm} perplexity {value}; expected"):
        published(**figures)


@pytest.mark.parametrize("arm", ["real", "random"])
def test_an_effect_without_a_mean_of_a_compared_arm_is_an_error(arm):
    nll = {"real": 1.0, "random": 1.0}
    del nll[arm]
    with pytest.raises(StatisticsError, match=f"user 'ann': no mean NLL of arm '{arm}'"):
        Effect(user="ann", nll=nll, contrast=CONTRAST)
