"""A bet on pairs of slices: its levels, and which of them may be claimed."""

import pytest

from noisefloor_tests.support.verdicts import of_slices as verdict
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.licensing import claimable
from pytest_noisefloor.bets.registry import registered_bet

BET = registered_bet("bet60-why-vocabulary")


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


def test_no_level_of_pairs_may_be_claimed_from_points():
    assert claimable(verdict([0.003, 0.002, 0.001])) == ("NOT_MET",)
    assert claimable(verdict([0.001, 0.002, 0.003])) == ("NOT_MET",)
