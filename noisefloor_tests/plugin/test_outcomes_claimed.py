"""A criterion and the claim about its verdict say the same: by points, licensed, or asserted."""

from functools import cache
from types import SimpleNamespace

import pytest

from noisefloor_tests.support import claims_planted
from noisefloor_tests.support.claims_planted import entry, evidence, lock_own_bet
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.judging import judge
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.claims.claim import load_claims
from pytest_noisefloor.claims.review import disagreement
from pytest_noisefloor.plugin import session
from pytest_noisefloor.plugin.outcomes import check_criterion
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.rejudging import rejudge_file
from pytest_noisefloor.stats.effect import effect_from_perplexities


@cache
def verdict_on(users):
    """What is made of evidence on users with known truth, by the name of these."""
    return rejudge_file(lift(evidence(getattr(claims_planted, users))), registered_bet("bet60"))


def outcome(verdict, level, claim):
    try:
        check_criterion(verdict, level, claim)
    except pytest.xfail.Exception:
        return "xfailed"
    except pytest.fail.Exception:
        return "failed"
    return "passed"


RIGHT = {"STRICT": "passed", "LENIENT": "passed", "CATASTROPHIC": "passed"}
CRITERIA = [
    ("STRICT", "STRICT", {}),
    ("LENIENT", "STRICT", {"STRICT": "failed"}),
    ("NOT_MET", "STRICT", {"STRICT": "failed", "LENIENT": "failed"}),
    ("ABSENT", "STRICT", {"STRICT": "failed", "LENIENT": "failed"}),
    ("STRICT", "LENIENT", {"STRICT": "failed"}),
    ("LENIENT", "LENIENT", {"STRICT": "xfailed"}),
    ("NOT_MET", "LENIENT", {"STRICT": "xfailed", "LENIENT": "failed"}),
    ("LENIENT", "HARM", {"STRICT": "xfailed", "LENIENT": "failed"}),
    ("NOT_MET", "HARM", {"STRICT": "xfailed", "LENIENT": "xfailed"}),
    ("ABSENT", "HARM", {"STRICT": "xfailed", "LENIENT": "failed"}),
    ("STRICT", "UNREACHED", {"STRICT": "failed", "LENIENT": "failed"}),
    ("NOT_MET", "UNREACHED", {"STRICT": "xfailed", "LENIENT": "xfailed"}),
    ("ABSENT", "UNREACHED", {"STRICT": "xfailed", "LENIENT": "failed"}),
    ("ABSENT", "ABSENT", {"STRICT": "xfailed", "LENIENT": "xfailed"}),
    (
        "CATASTROPHIC",
        "ABSENT",
        {"STRICT": "xfailed", "LENIENT": "xfailed", "CATASTROPHIC": "failed"},
    ),
    ("CATASTROPHIC", "INVERTED", {"STRICT": "xfailed", "LENIENT": "xfailed"}),
    (
        "NOT_MET",
        "INVERTED",
        {"STRICT": "xfailed", "LENIENT": "xfailed", "CATASTROPHIC": "failed"},
    ),
]


def test_an_experiment_of_other_seeds_than_the_bets_is_claimed_by_nobody():
    bet = registered_bet("bet60")
    base = SimpleNamespace(name="base", fingerprint="f" * 64)
    gate = SimpleNamespace(claim_about=lambda **about: about["bet"])
    config = SimpleNamespace(stash={session.GATE: gate})

    def experiment(seeds):
        runner = SimpleNamespace(base=base)
        return SimpleNamespace(bet=bet, runner=runner, users=(), seeds=seeds)

    assert session.claimed(config, experiment(bet.seeds)) is bet
    assert session.claimed(config, experiment((7,))) is None


@pytest.mark.parametrize(("asserts", "users", "changed"), CRITERIA)
def test_a_criterion_is_held_to_its_claim_and_the_claim_fails_with_it(
    tmp_path, asserts, users, changed
):
    """DESIGN's table, and that an item for the claim and the items for criteria never disagree."""
    lock_own_bet(tmp_path)
    file = tmp_path / "claims.toml"
    file.write_text(entry("x", asserts))
    (claim,) = load_claims(file)
    verdict = verdict_on(users)
    found = {name: outcome(verdict, Level[name], claim) for name in RIGHT}
    assert found == RIGHT | changed
    assert (disagreement(claim, verdict) is None) == ("failed" not in found.values())


MET = {  # ratios of three users that meet these levels and no other
    "none": (1.05, 1.05, 0.9),
    "LENIENT": (1.2, 1.2, 1.0),
    "STRICT": (1.6, 1.6, 1.6),
    "CATASTROPHIC": (0.9, 0.9, 1.6),
}
BY_POINTS = {
    "none": {"STRICT": "xfailed", "LENIENT": "xfailed"},
    "LENIENT": {"STRICT": "xfailed", "LENIENT": "xfailed"},
    "STRICT": {"STRICT": "xfailed", "LENIENT": "xfailed"},
    "CATASTROPHIC": dict.fromkeys(RIGHT, "xfailed"),
}


def by_points(met):
    """A verdict without intervals that meets a level, or none."""
    bet = registered_bet("bet60")
    effects = [
        effect_from_perplexities(f"user{at}", {"real": 100.0, "random": 100 * ratio}, bet.contrast)
        for at, ratio in enumerate(MET[met])
    ]
    return judge(bet, effects)


@pytest.mark.parametrize("met", MET)
@pytest.mark.parametrize("asserts", [None, "NOT_MET", "LENIENT", "STRICT", "CATASTROPHIC"])
def test_a_level_by_point_estimates_alone_contradicts_no_claim_but_the_one_that_asserts_it(
    tmp_path, licensing, asserts, met
):
    """Nothing is licensed here: whatever came out, only what says more than that is red."""
    claim = None
    if asserts:
        lock_own_bet(tmp_path)
        file = tmp_path / "claims.toml"
        file.write_text(entry("x", asserts))
        (claim,) = load_claims(file)
    verdict = by_points(met)
    expected = RIGHT | BY_POINTS[met]
    if claim:
        wrong = [name for name in RIGHT if claim.asserts_level(Level[name])]
        expected |= dict.fromkeys(wrong, "failed")
        assert (disagreement(claim, verdict) is None) == (not wrong)
    assert {name: outcome(verdict, Level[name], claim) for name in RIGHT} == expected


def test_a_level_that_is_missed_is_no_pass_whatever_may_be_claimed(licensing):
    licensing(*RIGHT)
    found = {name: outcome(by_points("none"), Level[name], None) for name in RIGHT}
    assert found == RIGHT | BY_POINTS["none"]
