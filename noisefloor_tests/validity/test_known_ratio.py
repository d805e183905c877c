"""Where the true ratio is known, the intervals hold it as often as they say.

The scores are simulated, each user's with the noise that the project's own evidence has: its Δ
in runs of 64 tokens, random against real, is fitted by an autoregression of three steps, and the
fit's own residuals, drawn with replacement, drive the simulation (Bühlmann 1997, "Sieve bootstrap
for time series", Bernoulli 3:123). So heavy tails and autocorrelation are those that were found.
"""

import math
from functools import cache

import numpy as np
import pytest
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from noisefloor_tests.support.planted import BET
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.error_rates import rate_bounds
from pytest_noisefloor.bets.judging import judge, margin
from pytest_noisefloor.results.files import read_file
from pytest_noisefloor.stats import bootstrap, significance
from pytest_noisefloor.stats.blocks import (
    BIN_TOKENS,
    Scores,
    bin_sums,
    bin_sums_from_record,
    block_sums,
    slice_blocks,
)
from pytest_noisefloor.stats.bootstrap import block_bootstrap
from pytest_noisefloor.stats.effect import Effect
from pytest_noisefloor.stats.inference import FLIP_TIMES
from pytest_noisefloor.stats.significance import ALPHA, between_slices, sign_flip, tost

RATIOS = (1.0, 1.05, 1.1, 1.5, 2.0)
USERS = ("programmer", "novelist", "scientist")
SLICES, TOKENS = 3, 8192  # as registered
STEPS = 3


@cache
def noise():
    """For each of USERS, coefficients (STEPS,) and residuals (n,) in nats per token."""
    content = read_file(resource_path("evidence", "bet60_reference.json"))
    rows = {row["user"]: row for row in content["users"]}
    return [fit(rows[user]) for user in USERS]


def fit(row):
    """Yule and Walker's equations on the autocovariances of the cells, pooled over slices."""
    real = bin_sums_from_record(row["user"], row["slices"])
    delta = (real.sums["random"] - real.sums["real"])[0] / real.tokens
    series = [delta[real.slices == k] - delta[real.slices == k].mean() for k in range(SLICES)]
    lags = [sum(float(x[lag:] @ x[: len(x) - lag]) for x in series) for lag in range(STEPS + 1)]
    coefficients = solve_toeplitz(lags[:-1], lags[1:])
    left = [lfilter([1, *-coefficients], [1], x)[STEPS:] for x in series]
    residuals = np.concatenate(left)
    return coefficients, residuals - residuals.mean()


def simulated(rng, user, ratio):
    """A tally of per-token scores whose true ratio is known."""
    coefficients, residuals = noise()[user]
    slices = []
    for _ in range(SLICES):
        drawn = rng.choice(residuals, TOKENS // BIN_TOKENS + 50)
        cells = lfilter([1], [1, *-coefficients], drawn)[50:]
        text = rng.gamma(2, 2, TOKENS)
        scores = {"untrained": text + 0.01, "real": text}
        scores["random"] = text + math.log(ratio) + np.repeat(cells, BIN_TOKENS)
        slices.append({arm: [Scores(nll.astype("f4"), "same")] for arm, nll in scores.items()})
    return bin_sums(USERS[user], slices)


def measured(ratio, trios):
    """Of each user's intervals how many hold the truth (3,), and the levels, on so many trios."""
    rng = np.random.default_rng([60, int(100 * ratio)])
    hits, levels = np.zeros(3, dtype=int), []
    for _ in range(trios):
        users = [simulated(rng, user, ratio) for user in range(3)]
        found = [block_bootstrap(one, "random", "real") for one in users]
        hits += [one.low <= math.log(ratio) <= one.high for one in found]
        effects = [
            Effect(user=t.user, nll={a: t.mean(a) for a in t.sums}, contrast=BET.contrast)
            for t in users
        ]
        levels.append(judge(BET, effects).level)
    return hits, levels


def test_the_simulated_noise_is_autocorrelated_and_heavy_tailed_as_the_evidence_is():
    """Lag-1 correlation of 400 × 128 cells: within 0.02 of the fit, 4.5 of its standard errors."""
    rng = np.random.default_rng(60)
    for coefficients, residuals in noise():
        drawn = lfilter([1], [1, *-coefficients], rng.choice(residuals, 51_200))
        first = np.corrcoef(drawn[1:], drawn[:-1])[0, 1]
        one, two, three = coefficients
        # Yule and Walker's equations solved for the correlations at lags 1 and 2
        known = np.linalg.solve([[1 - two, -three], [-one - three, 1]], [one, two])[0]
        assert first == pytest.approx(known, abs=0.02)
    kurtosis = [np.mean(r**4) / np.var(r) ** 2 for _, r in noise()]
    assert max(kurtosis) > 10  # the normal's is 3


def test_a_known_ratio_is_held_by_its_intervals(monkeypatch):
    """30 intervals at each of five ratios, 150 in all.

    Seeded, so nothing varies here. With another seed, the coverage of 93.4 % that the slow test
    measures would hold fewer than 130 in 0.1 % of draws, and one of 80 % would hold 130 in 2.2 %.
    """
    monkeypatch.setattr(bootstrap, "RESAMPLES", 499)
    hits = sum(measured(ratio, 10)[0].sum() for ratio in RATIOS)
    low, high = rate_bounds(hits, 150)
    assert hits >= 130, f"coverage {hits} of 150 [{low:.3f}, {high:.3f}]"


@pytest.mark.parametrize(("ratio", "level"), [(1.05, Level.NOT_MET), (2.0, Level.STRICT)])
def test_a_known_ratio_has_its_level(monkeypatch, ratio, level):
    """The standard error of Δ is below 0.001 nats: no bar is within 40 of them."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 99)
    assert measured(ratio, 1)[1] == [level]


@pytest.mark.slow
def test_false_alarms_on_the_evidences_own_noise_measured(monkeypatch):
    """Of sign-flip and of slices told apart at no difference, of TOST at LENIENT's bar.

    1,000 each of each user (-rP). All say 5 %. The programmer's rare large differences all go one
    way (a skewness of 2.5), which none allows for. A true rate of 9 % is found above 12 % in 0.1 %
    of draws.
    """
    monkeypatch.setattr(bootstrap, "RESAMPLES", 99)
    monkeypatch.setattr(significance, "FLIPS", 999)
    rng, bar = np.random.default_rng(61), margin(BET)
    for user, name in enumerate(USERS):
        flips = bars = apart = 0
        for _ in range(1000):
            null, at_bar = simulated(rng, user, 1.0), simulated(rng, user, math.exp(bar))
            sums, *_ = block_sums(null, "random", "real", times=FLIP_TIMES)
            flips += sign_flip(sums) < ALPHA
            bars += tost(block_bootstrap(at_bar, "random", "real"), bar) < ALPHA
            p = between_slices(slice_blocks(null, "random", "real", times=FLIP_TIMES))
            apart += p is not None and p < ALPHA
        for what, count in (("sign-flip", flips), ("TOST", bars), ("slices apart", apart)):
            low, high = rate_bounds(count, 1000)
            print(f"{name}: {what} {count} of 1000 [{low:.3f}, {high:.3f}]")
            assert count <= 120


@pytest.mark.slow
@pytest.mark.parametrize("ratio", RATIOS)
def test_coverage_of_a_known_ratio_measured(monkeypatch, ratio):
    """1,200 intervals on 400 trios of users, with the figures in the test's output (-rP).

    Below 95 %, and most of all for the programmer, whose residuals have a kurtosis of 37: a slice
    without one of the rare large differences looks surer than it is. A true coverage of 93 % falls
    below 90.5 % in 0.05 % of draws. At a bar each level is a coin: LENIENT (2 of 3) one of a half,
    STRICT (3 of 3) one of an eighth; at 1 CATASTROPHIC one of a half. Off by more than 4 standard
    errors in 0.006 % of draws.
    """
    monkeypatch.setattr(bootstrap, "RESAMPLES", 999)
    hits, levels = measured(ratio, 400)
    for name, count in zip(USERS, hits, strict=True):
        low, high = rate_bounds(count, 400)
        print(f"true ratio {ratio}, {name}: coverage {count} of 400 [{low:.3f}, {high:.3f}]")
    low, high = rate_bounds(hits.sum(), 1200)
    print(f"true ratio {ratio}: coverage {hits.sum()} of 1200 [{low:.3f}, {high:.3f}]")
    for level in Level:
        count = levels.count(level)
        low, high = rate_bounds(count, 400)
        print(f"true ratio {ratio}: {level.name} {count} of 400 [{low:.3f}, {high:.3f}]")
    assert hits.sum() >= 0.905 * 1200
    expected = {1.0: (Level.CATASTROPHIC, 1 / 2), 1.1: (Level.LENIENT, 1 / 2)}
    expected |= {1.5: (Level.STRICT, 1 / 8), 1.05: (Level.NOT_MET, 1), 2.0: (Level.STRICT, 1)}
    level, share = expected[ratio]
    allowed = 4 * math.sqrt(share * (1 - share) / 400)
    assert levels.count(level) / 400 == pytest.approx(share, abs=allowed)
