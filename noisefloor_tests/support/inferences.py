"""Intervals of users, written down and not computed, at the edges of what they say."""

import math

from pytest_noisefloor.stats.groups import Interval
from pytest_noisefloor.stats.inference import UserInference

ABOVE, AT, BELOW = math.log(1.2), 0.0, math.log(0.9)
T_OF_40 = 2.0210753903062737
"""The 0.975 quantile of Student's t with 40 degrees of freedom (any printed table)."""


def interval(low, high=None, *, of_trainings=True):
    """An interval from its lower end, a hundredth of a nat wide unless its upper end is given."""
    high = low + 0.01 if high is None else high
    return Interval(
        estimate=(low + high) / 2,
        low=low,
        high=high,
        se=(high - low) / 2 / T_OF_40,
        df=40.0,
        groups=12,
        seeds=1,
        spread_se=0.001 if of_trainings else 0.0,
        of_trainings=of_trainings,
    )


def inferred(
    user,
    *,
    delta=0.02,
    high=None,
    helped=ABOVE,
    oracle=ABOVE,
    oracle_help=ABOVE,
    absent=0.01,
    of_trainings=True,
):
    """A user by the lower ends of the intervals, and by the upper end of that of Δ."""
    lows = {"help": helped, "oracle": oracle, "oracle_help": oracle_help}
    given = {
        key: None if low is None else interval(low, of_trainings=of_trainings)
        for key, low in lows.items()
    }
    return UserInference(
        user=user,
        delta=interval(delta, high, of_trainings=of_trainings),
        harm=None,
        **given,
        equivalence_p=absent,
        mde=0.1,
        slices_p=None,
        slices_help_p=None,
        spreads={},
        aa={},
    )
