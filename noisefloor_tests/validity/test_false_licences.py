"""Where nothing is true, few sets of users license a claim, at the bars of every shipped bet."""

import math
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from noisefloor_tests.support.bins_planted import told
from noisefloor_tests.support.null_sets import BET, WITHIN_REACH, known_sets
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.judging import judge
from pytest_noisefloor.bets.licensing import MARGIN, claimable
from pytest_noisefloor.bets.registry import registered_bet

SETS = 4000
MOST = 0.06
"""Largest upper 95 % bound of a rate of false licences: 210 of SETS, which is 5.25 %."""


@cache
def bars():
    """The criteria of the shipped bets, each once, by their bars and shares."""
    shipped = sorted(path.stem for path in resource_path("bets").glob("*.toml"))
    found = [registered_bet(name).criteria for name in shipped]
    return {
        ", ".join(f"{c.level.name} {c.threshold:g} on {c.fraction}" for c in criteria): criteria
        for criteria in found
    }


def licensed(sets, bet=BET, licences=claimable):
    """How many of these sets license each assertion, by a bet."""
    return Counter(
        name for effects, units in sets for name in licences(judge(bet, effects, resolved=units))
    )


def nothing(*, sets, users, shared=0.0):
    """Sets without any effect of the user's own text; both arms help by ``shared`` nats.

    The noise is as large as LENIENT's bar, so that the bars alone refuse few.
    """
    return known_sets(60, (sets, users), help=shared, harm=-shared, noise=MARGIN)


def one_too_few(*, sets, users, needed, sign):
    """Sets in which one user less than ``needed`` gains, or loses, and the others do not.

    ``sign`` is 1 for gains and −1 for losses. All arms help besides, so that the ratio alone
    decides. The effect is ten standard errors.
    """
    effect = np.where(np.arange(users) < needed - 1, 1.0, 0.0) * 10 * MARGIN
    help_, harm = (effect + 1.0, -1.0) if sign > 0 else (1.0, -1.0 - effect)
    return known_sets(60, (sets, users), help=help_, harm=harm, noise=MARGIN)


def one_at_the_margin(*, sets, users):
    """Sets of one user with a ratio of 1.1 and others with 1.

    The noise is small beside the margin, so that the one user decides.
    """
    harm = np.eye(1, users)[0] * MARGIN
    return known_sets(60, (sets, users), harm=harm, noise=MARGIN / 50, oracle=WITHIN_REACH)


@pytest.mark.slow
@pytest.mark.parametrize("users", [3, 24])
@pytest.mark.parametrize(
    ("drawn", "shared", "names"),
    [
        (nothing, {"shared": 0.0}, ("LENIENT", "STRICT", "CATASTROPHIC")),
        (nothing, {"shared": 1.0}, ("LENIENT", "STRICT", "CATASTROPHIC")),
        (one_at_the_margin, {}, ("ABSENT",)),
    ],
    ids=[
        "no effect at all",
        "both arms help alike",
        "one user at the margin",
    ],
)
def test_false_licences_measured(request, drawn, shared, names, users):
    """4,000 sets each, with the figures in the test's output (-rP).

    A true rate of 2.5 % exceeds the bar in fewer than 10^-22 of draws, one of 6 % in 98 %.
    """
    sets = list(drawn(sets=SETS, users=users, **shared))
    bounds = {}
    for words, criteria in bars().items():
        counts = licensed(sets, replace(BET, criteria=criteria))
        for name in names:
            what = f"{request.node.callspec.id}, {words}: {name} licensed"
            bounds[what] = told(what, counts[name], SETS)[1]
    assert not {what: high for what, high in bounds.items() if high > MOST}


@pytest.mark.slow
@pytest.mark.parametrize("users", [3, 24])
@pytest.mark.parametrize("level", [Level.LENIENT, Level.STRICT, Level.CATASTROPHIC])
def test_false_licences_measured_where_one_user_too_few_has_an_effect(level, users):
    """The hardest null of a level: 4,000 sets for each number of users that a bet's level needs.

    A true rate of 2.5 % exceeds the bar in fewer than 10^-22 of draws, one of 6 % in 98 %.
    """
    by_needed = {}
    for words, criteria in bars().items():
        (criterion,) = (one for one in criteria if one.level == level)
        by_needed.setdefault(criterion.n_required(users), []).append((words, criteria))
    bounds = {}
    for needed, rows in by_needed.items():
        sign = -1 if level is Level.CATASTROPHIC else 1
        sets = list(one_too_few(sets=SETS, users=users, needed=needed, sign=sign))
        for words, criteria in rows:
            counts = licensed(sets, replace(BET, criteria=criteria))
            what = f"{users} users, one too few, {words}: {level.name} licensed"
            bounds[what] = told(what, counts[level.name], SETS)[1]
    assert not {what: high for what, high in bounds.items() if high > MOST}


def test_the_drawn_intervals_hold_the_truth():
    """Of 3,000, which share a spread by threes: 93 to 97 % are five standard errors or more."""
    sets = known_sets(60, (1000, 3), help=0.1, harm=0.1, noise=0.1)
    found = [one.delta.low <= 0.2 <= one.delta.high for _, units in sets for one in units]
    assert 0.93 < np.mean(found) < 0.97


def test_a_licence_by_points_would_be_false_in_half_of_all_sets():
    """The cheat: whatever level comes out may be claimed. 200 sets, whose rate is a half."""
    sets = nothing(sets=200, users=3)
    cheat = licensed(sets, licences=lambda verdict: (verdict.level.name,))
    assert told("CATASTROPHIC by points", cheat["CATASTROPHIC"], 200)[0] > MOST


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("LENIENT", {"help": math.log(1.3)}),
        ("CATASTROPHIC", {"harm": -math.log(1.3)}),
        ("ABSENT", {"help": math.log(1.03)}),
    ],
)
def test_what_is_true_is_licensed_in_every_set(name, known):
    """20 sets of three users; every bound is nine standard errors away or more."""
    sets = known_sets(60, (20, 3), **known, noise=MARGIN / 20, oracle=WITHIN_REACH)
    assert licensed(sets)[name] == 20
