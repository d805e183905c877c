"""The control ladder: gains over the base from each result's own sums, and shares of real's."""

import numpy as np
import pytest

from noisefloor_tests.support.results_by_hand import found, slice_record
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.bets.roles import bet_roles
from pytest_noisefloor.results.files import ResultError
from pytest_noisefloor.results.ladder import ladders
from pytest_noisefloor.stats.blocks import BIN_TOKENS, bin_tokens, encode_sums
from pytest_noisefloor.stats.effect import Effect

TOKENS = 40 * BIN_TOKENS
GAINS = {
    "temperature": 0.001,
    "random": -0.004,
    "unigram": 0.004,
    "shuffled": 0.006,
    "pooled": 0.01,
    "other": 0.012,
    "real": 0.02,
    "oracle": 0.05,
}


def result(bet, *, users=("ann",), noise=0.02, tokens=TOKENS, sha256="1" * 64):
    """A result of a bet with two slices a user, whose labels gain what ``GAINS`` says.

    Each bin's mean has its own noise under each label; the gain is exact all the same, since
    the noise is centred.
    """
    rng = np.random.default_rng(60)
    gains = {role.label: GAINS[role.rung] for role in bet_roles().ladder if role.bet == bet}
    gains = {"untrained": 0.0} | {arm: GAINS[arm] for arm in ("real", "random", "oracle")} | gains
    means = {label: 4.0 - gain for label, gain in gains.items()}
    counts = bin_tokens([tokens])

    def slices():
        drawn = {label: rng.normal(0, noise, len(counts)) for label in means}
        sums = {
            label: encode_sums((counts * (means[label] + of - of.mean()))[None])
            for label, of in drawn.items()
        }
        return slice_record("piece", effect, tokens, sums, sha256)

    effect = Effect(user="", nll=means, contrast=registered_bet(f"bet{bet}").contrast)
    rows = [{"slices": [slices(), slices()]} for _ in users]
    return found(f"bet{bet}", dict.fromkeys(users, means), rows=rows)


def all_results(**changes):
    return {
        bet: result(bet, **changes)
        for bet in dict.fromkeys(role.bet for role in bet_roles().ladder)
    }


def test_every_rung_is_what_its_control_gains_over_the_base_with_its_interval():
    (rungs,) = ladders(all_results()).values()
    untrained, *others = rungs
    assert (untrained.name, untrained.gain, untrained.interval) == ("untrained", 0.0, None)
    assert [rung.name for rung in others] == list(GAINS)
    for rung in others:
        assert rung.gain == pytest.approx(GAINS[rung.name], abs=1e-12)  # rounding near 4
        assert rung.nll == pytest.approx(4.0 - GAINS[rung.name], abs=1e-12)
        assert rung.share == pytest.approx(GAINS[rung.name] / 0.02, rel=1e-9)
        assert rung.interval.estimate == pytest.approx(rung.gain, abs=1e-12)
        # 8 groups, standard error 0.02 √(2/80) = 0.0032, known to 27 %: 0.015, ± three of those
        assert 0.003 < rung.interval.high - rung.interval.low < 0.027
        assert not rung.interval.of_trainings


def test_a_rung_without_its_result_is_not_run_and_the_others_stay():
    results = all_results()
    del results["60-unigram"], results["61"]
    (rungs,) = ladders(results).values()
    assert [rung.name for rung in rungs if rung.gain is None] == ["unigram", "other"]
    assert all(rung.share is None for rung in rungs if rung.gain is None)
    assert len(rungs) == len(GAINS) + 1
    assert not ladders({})


def test_there_are_no_shares_of_a_gain_that_is_not_resolved_above_0():
    """At a noise of 0.4 a bin real's gain has a standard error of 0.06, three times itself."""
    (rungs,) = ladders(all_results(noise=0.4)).values()
    assert all(rung.gain is not None and rung.share is None for rung in rungs)
    results = all_results()
    del results["60"]
    (rungs,) = ladders(results).values()
    assert all(rung.share is None for rung in rungs)


def test_text_too_short_for_an_interval_leaves_the_gain_and_no_share():
    (rungs,) = ladders(all_results(tokens=4 * BIN_TOKENS)).values()
    assert [rung.gain for rung in rungs[1:]] == pytest.approx([*GAINS.values()], abs=1e-12)
    assert all(rung.interval is None and rung.share is None for rung in rungs)


def test_each_user_has_a_ladder_and_one_whom_a_bet_lacks_is_not_run_there():
    results = all_results(users=("ann", "bob")) | {"61": result("61")}
    found = ladders(results)
    assert list(found) == ["ann", "bob"]
    assert [rung.name for rung in found["bob"] if rung.gain is None] == ["other"]
    assert all(rung.gain is not None for rung in found["ann"])


@pytest.mark.parametrize("change", [{"sha256": "2" * 64}, {"tokens": TOKENS - 1}])
def test_rungs_that_were_measured_on_other_text_are_refused(change):
    results = all_results() | {"60-shuffled": result("60-shuffled", **change)}
    with pytest.raises(ResultError) as caught:
        ladders(results)
    assert str(caught.value).startswith(f"{results['60-shuffled'].path}: user 'ann': measured on")


def test_a_rung_that_a_result_lacks_is_refused_by_the_results_name():
    results = all_results()
    del results["61"].content["users"][0]["mean_nll"]["other"]
    with pytest.raises(ResultError, match=r"^61_confusion_matrix.json: ann: key 'mean_nll\.other'"):
        ladders(results)
