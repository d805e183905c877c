"""Pairs of slices: how far text is from text, and which of two slices is nearer."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisefloor_tests.support.verdicts import slices
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.stats.contrast import StatisticsError
from pytest_noisefloor.stats.divergence import jensen_shannon, slice_pairs

BET = registered_bet("bet60-why-vocabulary")
IDS = st.lists(st.integers(0, 9), min_size=1, max_size=30).map(np.array)


# --- the divergence -----------------------------------------------------------------------------


def test_the_divergence_by_hand():
    """Frequencies (1/2, 1/2) and (1, 0), their mean (3/4, 1/4)."""
    kl = (math.log(1 / 2 / (3 / 4)) + math.log(1 / 2 / (1 / 4))) / 2, math.log(1 / (3 / 4))
    assert jensen_shannon(np.array([0, 1]), np.array([0])) == pytest.approx(sum(kl) / 2)


def test_texts_of_equal_frequencies_do_not_diverge_whatever_their_lengths():
    assert jensen_shannon(np.array([5, 7]), np.array([7, 5, 5, 7])) == 0


def test_texts_without_a_common_token_diverge_most():
    assert jensen_shannon(np.array([0, 1]), np.array([70, 9])) == pytest.approx(math.log(2))


@given(IDS, IDS)
def test_the_divergence_is_symmetric_and_bounded(one, other):
    there = jensen_shannon(one, other)
    assert there == pytest.approx(jensen_shannon(other, one), abs=1e-12)
    assert 0 <= there <= math.log(2) + 1e-12


# --- pairs --------------------------------------------------------------------------------------


def test_a_pairs_ratio_is_the_nearer_slices_over_the_farther_slices():
    one, other = slices([0.01, 0.04])
    (pair,) = slice_pairs([one, other], [0.3, 0.2])
    assert pair.user == "s1 over s0"
    assert pair.ratio == pytest.approx(other.ratio / one.ratio)
    assert pair.harm == pytest.approx(other.harm / one.harm)
    assert pair.help == pytest.approx(other.help / one.help)


def test_slices_that_are_equally_far_are_no_pair():
    pairs = slice_pairs(slices([0.0, 0.1, 0.2]), [0.3, 0.2, 0.2])
    assert [pair.user for pair in pairs] == ["s1 over s0", "s2 over s0"]


@pytest.mark.parametrize(
    ("divergences", "message"),
    [
        ([0.2, 0.2], "slices of 1 divergences; expected two that differ"),
        ([0.2, math.nan], "divergence nan; expected 0 to log 2 nats"),
        ([0.2, -5.0], "divergence -5.0; expected"),
        ([0.2, 0.7], "divergence 0.7; expected"),
        ([0.2, True], "divergence True; expected"),
    ],
)
def test_what_is_no_divergence_and_slices_of_one_alone_are_refused(divergences, message):
    with pytest.raises(StatisticsError) as caught:
        slice_pairs(slices([0.0, 0.1]), divergences)
    assert str(caught.value).startswith(message)
