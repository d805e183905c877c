"""Results by slices: judged by pairs again, refused where they do not fit, ranked by nearness."""

import pytest

from noisefloor_tests.support.results_by_hand import by_pair
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.results.cells import nearest_first
from pytest_noisefloor.results.files import ResultError
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.rejudging import rejudge_file
from pytest_noisefloor.stats.contrast import StatisticsError
from pytest_noisefloor.stats.significance import rank_correlation

BET = registered_bet("bet60-why-vocabulary")


def test_a_result_by_slices_is_judged_by_pairs_again():
    again = rejudge_file(by_pair().file, BET)
    assert [e.user for e in again.effects] == [
        "programmer, core over novelist, one",
        "programmer, core over programmer, tools",
        "novelist, one over programmer, tools",
    ]
    assert again.unresolved.startswith("Pairs share slices")


def test_a_result_by_slices_judges_no_users_and_no_cells():
    for other in ("bet60", "bet60-seeds"):
        with pytest.raises(ResultError, match="its units are not those that Bet"):
            rejudge_file(by_pair().file, registered_bet(other))


def test_means_that_are_not_those_of_the_sums_are_refused():
    one = by_pair().content
    one["users"][0]["mean_nll"]["random"] += 0.1
    with pytest.raises(StatisticsError, match="but the scores' sums give"):
        rejudge_file(lift(one), BET)


def test_a_slice_that_stands_twice_or_under_another_name_is_refused():
    one = by_pair().content
    twice = [*one["users"], one["users"][0] | {"divergence": 0.5}]
    with pytest.raises(ResultError, match="unit 'programmer, core': given twice; expected each"):
        rejudge_file(lift(one | {"users": twice}), BET)
    one["users"][0]["unit"] = "novelist, two"
    with pytest.raises(ResultError, match="unit 'novelist, two' of slice 'core'"):
        rejudge_file(lift(one), BET)


def test_the_rank_correlation_counts_pairs_within_and_between_users():
    """Δ by nearness 3, 1, 2: of three pairs two agree, so τ = 1/3."""
    found = rank_correlation(nearest_first(by_pair()))
    assert found.tau == pytest.approx(1 / 3)
    assert (found.within, found.between) == ((1, 1), (1, 2))


def test_slices_that_tie_are_no_pair():
    near = nearest_first(by_pair())[0]
    tied = [type(near)("u", str(at), float(at // 2), float(-at)) for at in range(4)]
    assert rank_correlation(tied).within == (4, 4)  # two of six pairs are equally near


def test_a_row_without_its_divergence_is_a_broken_file():
    one = by_pair()
    del one.content["users"][0]["divergence"]
    with pytest.raises(ResultError, match="key 'divergence' is missing"):
        nearest_first(one)
