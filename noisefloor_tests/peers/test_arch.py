"""Agreement with arch: the same interval by a bootstrap that no one here wrote."""

import math

import numpy as np
import pytest

from noisefloor_tests.support.peer_modules import peer
from pytest_noisefloor.stats import bootstrap
from pytest_noisefloor.stats.blocks import block_sums
from pytest_noisefloor.stats.bootstrap import block_bootstrap

# tiny leaves one thread to this process, which is all that small models need
pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("tiny")]


def test_arch_finds_the_same_interval_by_its_own_bootstrap(skewed, monkeypatch):
    """BCa at the widened level over the same blocks, in standard errors from the estimate; each
    draws 20,000 resamples of its own.

    An endpoint, the 1.6 % quantile of B resampled means, has a standard error of √(p(1 − p)/B)/φ(z)
    = 0.022 standard errors of the mean, and half as much again where skew stretches the tail: the
    bar of 0.2 is four times that of two draws, crossed by 1 in 10,000 pairs of seeds; ours are
    fixed. The percentile interval and the level that is not widened are further away.
    """
    resamples = 20_000
    iid = peer("arch.bootstrap").IIDBootstrap
    from scipy import stats

    monkeypatch.setattr(bootstrap, "RESAMPLES", resamples)
    ours = block_bootstrap(skewed, "random", "real")
    sums, tokens = block_sums(skewed, "random", "real")[:2]
    n = len(sums)
    assert n == ours.blocks == 20
    error = stats.sem(sums / tokens)
    found = (np.array([ours.low, ours.high]) - ours.estimate) / ours.se

    def mean(sums, tokens):
        return np.array([sums.sum() / tokens.sum()])

    level = 2 * stats.norm.cdf(math.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1)) - 1

    def by_arch(method, size):
        drawn = iid(sums, tokens, seed=np.random.default_rng(7))
        bounds_ = drawn.conf_int(mean, reps=resamples, method=method, size=size)[:, 0]
        return (bounds_ - ours.estimate) / error

    np.testing.assert_allclose(found, by_arch("bca", level), rtol=0, atol=0.2)
    for nearest in (by_arch("percentile", level), by_arch("bca", 0.95)):
        assert max(abs(nearest - found)) > 0.2
