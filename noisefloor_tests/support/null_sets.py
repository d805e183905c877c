"""Sets of users whose true help and harm are known, with intervals drawn by the intervals' model.

No token is drawn, so thousands of sets take seconds. An estimate is normal around the truth. Half
of its variance is due to tokens, and is estimated from GROUPS groups. The other half is the spread
of trainings. It is estimated with SPREAD_DF degrees of freedom, once for all users of a set. Help
and harm are drawn independently, and Δ is their sum.
"""

import math

import numpy as np
from scipy import stats

from pytest_noisefloor.bets.licensing import MARGIN
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.stats.effect import Effect
from pytest_noisefloor.stats.groups import GROUPS, Interval
from pytest_noisefloor.stats.inference import UserInference

SPREAD_DF = 4  # the spread of two other users with three seeds each
BET = registered_bet("bet60")


def known_sets(seed, shape, *, help=0.0, harm=0.0, noise, oracle=None):  # noqa: A002 (the suite's word)
    """Yield effects and inferences of sets of users; ``shape`` is (sets, users).

    ``help`` and ``harm`` are the true values in nats, of all users or of each user (users,).
    ``noise`` is the standard error of each. ``oracle`` is the interval of every oracle.
    """
    rng = np.random.default_rng(seed)
    parts = [_drawn(rng, np.broadcast_to(true, shape), noise) for true in (help, harm)]
    (helped, *of_help), (harmed, *of_harm) = parts
    estimates = {
        "help": (helped, *_errors(of_help)),
        "harm": (harmed, *_errors(of_harm)),
        "delta": (helped + harmed, *_errors([*of_help, *of_harm])),
    }
    delta, se, df = estimates["delta"]
    equivalence = stats.t.sf((MARGIN - np.abs(delta)) / se, df)
    bounds = {name: _bounded(*of) for name, of in estimates.items()}
    for at in range(shape[0]):
        rows = {name: rows[at].tolist() for name, rows in bounds.items()}
        found = zip(
            rows["delta"], rows["harm"], rows["help"], equivalence[at].tolist(), strict=True
        )
        units = [_unit(f"u{n}", oracle, *one) for n, one in enumerate(found)]
        yield [_effect(unit) for unit in units], units


def _drawn(rng, truth, noise):
    """Estimates (sets, users), and their two parts: estimated variance and degrees of freedom."""
    half = noise**2 / 2
    tokens = half * rng.chisquare(GROUPS - 1, truth.shape) / (GROUPS - 1)
    spread = half * rng.chisquare(SPREAD_DF, (len(truth), 1)) / SPREAD_DF
    estimates = truth + noise * rng.standard_normal(truth.shape)
    return estimates, (tokens, GROUPS - 1), (np.broadcast_to(spread, truth.shape), SPREAD_DF)


def _errors(parts):
    """Standard errors (sets, users) of sums of parts, and Satterthwaite's degrees of freedom."""
    variance = sum(part for part, _ in parts)
    return np.sqrt(variance), variance**2 / sum(part**2 / df for part, df in parts)


def _bounded(estimates, se, df):
    """Estimate, bounds, standard error and degrees of freedom (sets, users, 5)."""
    half = stats.t.ppf(0.975, df) * se
    return np.stack([estimates, estimates - half, estimates + half, se, df], axis=-1)


def _interval(estimate, low, high, se, df):
    return Interval(
        estimate=estimate,
        low=low,
        high=high,
        se=se,
        df=df,
        groups=GROUPS,
        seeds=1,
        spread_se=se / math.sqrt(2),
        of_trainings=True,
    )


WITHIN_REACH = _interval(math.log(3), math.log(2.9), math.log(3.1), 0.02, 15)
"""An oracle far above LENIENT's bar."""


def _unit(user, oracle, delta, harm, help, equivalence_p):  # noqa: A002
    return UserInference(
        user=user,
        delta=_interval(*delta),
        harm=_interval(*harm),
        help=_interval(*help),
        oracle=oracle,
        oracle_help=oracle,
        equivalence_p=equivalence_p,
        mde=0.0,
        slices_p=None,
        slices_help_p=None,
        spreads={},
        aa={},
    )


def _effect(unit):
    nll = {"real": 4.0 - unit.help.estimate, "random": 4.0 + unit.harm.estimate, "untrained": 4.0}
    return Effect(user=unit.user, nll=nll, contrast=BET.contrast)
