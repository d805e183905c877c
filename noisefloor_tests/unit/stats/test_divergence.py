"""Pairs of slices: how far text is from text, and whether gains follow."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisefloor_tests.support.results_by_hand import found
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.judging import claimable, judge
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.tables import render
from pytest_noisefloor.results.cells import nearest_first
from pytest_noisefloor.results.files import ResultError
from pytest_noisefloor.results.rejudging import rejudge_content
from pytest_noisefloor.stats.blocks import BIN_TOKENS, encode_sums
from pytest_noisefloor.stats.contrast import StatisticsError
from pytest_noisefloor.stats.divergence import jensen_shannon, slice_pairs
from pytest_noisefloor.stats.effect import Effect
from pytest_noisefloor.stats.significance import rank_test

BET = registered_bet("bet60-why-vocabulary")
IDS = st.lists(st.integers(0, 9), min_size=1, max_size=30).map(np.array)


def slices(deltas):
    """Effects of slices, each helped by 0.02 nats, by their Δ."""
    return [
        Effect(
            user=f"s{at}",
            nll={"untrained": 4.0 + at, "real": 3.98 + at, "random": 3.98 + at + delta},
            contrast=BET.contrast,
        )
        for at, delta in enumerate(deltas)
    ]


def verdict(deltas):
    """The verdict on slices from the nearest to the farthest."""
    return judge(BET, slice_pairs(slices(deltas), [at / 10 for at in range(len(deltas))]))


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


@pytest.mark.parametrize(
    ("deltas", "level"),
    [
        ((5, 4, 3, 2, 1), Level.STRICT),
        ((5, 4, 1, 2, 3), Level.NOT_MET),  # 7 of 10
        ((5, 4, 2, 1, 3), Level.LENIENT),  # 8 of 10
        ((1, 2, 3, 4, 5), Level.CATASTROPHIC),
        ((1, 2, 5, 3, 4), Level.CATASTROPHIC),  # 8 of 10 below
    ],
)
def test_gains_that_follow_nearness_those_that_do_not_and_those_that_run_against_it(deltas, level):
    one = verdict([delta / 1000 for delta in deltas])
    assert one.level == level
    assert len(one.effects) == 10


def test_no_level_of_pairs_may_be_claimed_from_points_but_what_was_missed():
    assert claimable(verdict([0.003, 0.002, 0.001])) == ()
    assert claimable(verdict([0.001, 0.002, 0.003])) == ("CATASTROPHIC",)


def test_a_verdict_on_pairs_speaks_of_pairs():
    text = render(verdict([0.003, 0.001, 0.002]))
    assert "LENIENT (ratio at least 1 on 3 of 3 pairs) does not hold: 2 of 3 (ratios from" in text
    assert "In 1 of 3 pairs the user's own text gained more over random tokens on the slice" in text
    assert "s1 over s2 (0.9990)" in text
    for word in ("cell", "winner", "untrained", "repetitions"):
        assert word not in text


# --- results ------------------------------------------------------------------------------------


def by_pair(deltas=(0.03, 0.01, 0.02)):
    """A result of two users' slices, from the nearest to the farthest."""
    names = ("programmer, core", "novelist, one", "programmer, tools")
    means = {
        name: {"untrained": 4.0, "real": 3.9, "random": 3.9 + delta, "oracle": 3.5}
        for name, delta in zip(names, deltas, strict=True)
    }
    rows = [
        {
            "user": name.split(", ")[0],
            "unit": name,
            "divergence": 0.1 * (at + 1),
            "slices": [
                {
                    "slice": name.split(", ")[1],
                    "tokens": BIN_TOKENS,
                    "sums": {
                        label: encode_sums(np.array([[BIN_TOKENS * x]])) for label, x in of.items()
                    },
                }
            ],
        }
        for at, (name, of) in enumerate(means.items())
    ]
    return found("bet60-why-vocabulary", means, rows=rows, cell=BIN_TOKENS)


def test_a_result_by_slices_is_judged_by_pairs_again():
    again = rejudge_content(dict(by_pair().content), BET)
    assert [e.user for e in again.effects] == [
        "programmer, core over novelist, one",
        "programmer, core over programmer, tools",
        "novelist, one over programmer, tools",
    ]
    assert again.unresolved.startswith("Pairs share slices")


def test_a_result_by_slices_judges_no_users_and_no_cells():
    for other in ("bet60", "bet60-seeds"):
        with pytest.raises(ValueError, match="its units are not those that Bet"):
            rejudge_content(dict(by_pair().content), registered_bet(other))


def test_means_that_are_not_those_of_the_sums_are_refused():
    one = by_pair().content
    one["users"][0]["mean_nll"]["random"] += 0.1
    with pytest.raises(StatisticsError, match="but the scores' sums give"):
        rejudge_content(one, BET)


def test_a_slice_that_stands_twice_or_under_another_name_is_refused():
    one = by_pair().content
    twice = [*one["users"], one["users"][0] | {"divergence": 0.5}]
    with pytest.raises(ValueError, match="a slice that stands there twice"):
        rejudge_content(one | {"users": twice}, BET)
    one["users"][0]["unit"] = "novelist, two"
    with pytest.raises(ValueError, match="unit 'novelist, two' of slice 'core'"):
        rejudge_content(one, BET)


def test_the_rank_test_counts_pairs_within_and_between_users():
    """Δ by nearness 3, 1, 2: of three pairs two agree, τ = 1/3, and no order is rarer: p = 1."""
    test = rank_test(nearest_first(by_pair()))
    assert (test.tau, test.p) == (pytest.approx(1 / 3), pytest.approx(1))
    assert (test.within, test.between) == ((1, 1), (1, 2))


def test_the_exact_p_of_nine_slices_in_order():
    """2 of 9! orders are so extreme."""
    near = nearest_first(by_pair())[0]
    ordered = [type(near)("u", str(at), float(at), float(-at)) for at in range(9)]
    assert rank_test(ordered).p == pytest.approx(2 / math.factorial(9))


def test_slices_that_tie_have_no_exact_p_and_are_no_pair():
    near = nearest_first(by_pair())[0]
    tied = [type(near)("u", str(at), float(at // 2), float(-at)) for at in range(4)]
    test = rank_test(tied)
    assert not test.exact
    assert 0 < test.p < 1
    assert test.within == (4, 4)  # of six pairs two are of slices that are equally near


def test_a_row_without_its_divergence_is_a_broken_file():
    one = by_pair()
    del one.content["users"][0]["divergence"]
    with pytest.raises(ResultError, match="key 'divergence' is missing"):
        nearest_first(one)
