"""Claims are tests, and a criterion is held to them."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import pytest

from noisefloor_tests.support.claims_planted import (
    ABSENT,
    HARM,
    INVERTED,
    LENIENT,
    MODEL,
    STRICT,
    UNREACHED,
    entry,
    evidence,
)
from pytest_noisefloor.bets.bet import Level, Registration
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.claims.claim import ClaimError, load_claims
from pytest_noisefloor.claims.evidence import EvidenceError
from pytest_noisefloor.claims.review import disagreement
from pytest_noisefloor.plugin import session
from pytest_noisefloor.plugin.claim_items import Gate
from pytest_noisefloor.plugin.outcomes import check_criterion
from pytest_noisefloor.results.rejudging import rejudge_content

pytestmark = pytest.mark.usefixtures("few_resamples")

# --- outcomes ----------------------------------------------------------------------------------


OUTCOMES = {
    "lenient": ("LENIENT", LENIENT, "PASSED"),
    "absent": ("ABSENT", ABSENT, "PASSED"),
    "honest": ("NOT_MET", UNREACHED, "PASSED"),
    "inverted": ("CATASTROPHIC", INVERTED, "PASSED"),
    "overclaimed": ("STRICT", LENIENT, "FAILED"),
    "modest": ("LENIENT", STRICT, "FAILED"),
    "vague": ("ABSENT", UNREACHED, "FAILED"),
    "harmed": ("LENIENT", HARM, "FAILED"),
    "hidden": ("NOT_MET", INVERTED, "FAILED"),
    "missing": ("LENIENT", None, "ERROR"),
}


def test_a_claims_file_with_one_entry_of_each_outcome(project, held):
    bases = {name: f"organisation/{name}" for name in OUTCOMES}
    project(
        *(entry(name, asserts, base=bases[name]) for name, (asserts, _, _) in OUTCOMES.items()),
        **{name: (users, bases[name]) for name, (_, users, _) in OUTCOMES.items() if users},
    )
    result = held("-v")
    result.assert_outcomes(passed=5, failed=5, errors=1)
    result.stdout.fnmatch_lines(
        [f"claims.toml::{name} {outcome}*" for name, (_, _, outcome) in OUTCOMES.items()]
    )
    result.stdout.fnmatch_lines(
        [
            "*missing.json: the evidence of claim 'missing' is missing; renew it with *train",
            "Claimed on 2026-11-23, of norm-only adapters on organisation/overclaimed for ann, *",
            "STRICT is not what was measured: LENIENT. Measured, with 95 % intervals: ann ratio "
            "1.???? [[]1.????, 1.????], help 1.???? [[]1.????, 1.????]; bob ratio *",
            "What may be said instead: LENIENT: ratio at least 1.1 on 2/3 of the users, the *",
            "The claim may be strengthened: the data supports STRICT. Measured, *",
            "ABSENT is not what was measured: NOT_MET. Measured, *",
            "What may be said instead: NOT_MET: neither LENIENT nor STRICT is met, nor *",
            "LENIENT came out, but it may not be claimed of these users. Measured, *",
            "What may be said instead: nothing beyond the numbers.",
            "NOT_MET is not what was measured: CATASTROPHIC. Measured, *",
        ]
    )
    # what a claim could not be compared with stands at the end of the session, passed or failed
    gap = "Not compared with what is here today: the base organisation/{}, whose files are not *"
    result.stdout.fnmatch_lines_random(
        [f"noisefloor: claims.toml::{name}: {gap.format(name)}" for name in ("harmed", "honest")]
    )


def test_claims_are_read_only_where_something_names_them(project):
    result = project(entry("x", "STRICT")).runpytest_inprocess()
    result.assert_outcomes(passed=1)


def test_an_ini_names_them_but_single_tests_run_alone(project):
    given = project(entry("lenient", "LENIENT"), lenient=LENIENT)
    given.makepyprojecttoml('[tool.pytest]\nnoisefloor_claims = "claims.toml"')
    given.runpytest_inprocess().assert_outcomes(passed=2)
    file = next(given.path.glob("test_*.py"))
    given.runpytest_inprocess(file).assert_outcomes(passed=2)
    alone = given.runpytest_inprocess(f"{file}::test_passes")
    alone.assert_outcomes(passed=1)


def test_one_claim_can_be_asked_for_and_the_file_is_collected_once(project, held):
    other = {"base": "organisation/other"}
    project(
        entry("one", "LENIENT"),
        entry("two", "LENIENT", **other),
        one=LENIENT,
        two=(LENIENT, other["base"]),
    )
    held("claims.toml").assert_outcomes(passed=2)
    held("claims.toml::two").assert_outcomes(passed=1)
    held(".").assert_outcomes(passed=3)


def test_a_claims_file_that_is_not_there_is_a_usage_error(pytester):
    result = pytester.runpytest_inprocess("--noisefloor-claims=claims.toml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'claims.toml': no such file; expected a claims file (TOML)"])


# --- a criterion and a claim say the same ------------------------------------------------------


@cache
def verdict_on(users):
    """What is made of evidence on users with known truth, by the name of these."""
    return rejudge_content(evidence(globals()[users]), registered_bet("bet60"))


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
    ("NOT_MET", "HARM", {"STRICT": "xfailed", "LENIENT": "failed"}),
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
    settings = SimpleNamespace(users="shipped")
    config = SimpleNamespace(stash={session.GATE: gate, session.SETTINGS: settings})

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
    file = tmp_path / "claims.toml"
    file.write_text(entry("x", asserts))
    (claim,) = load_claims(file)
    verdict = verdict_on(users)
    found = {name: outcome(verdict, Level[name], claim) for name in RIGHT}
    assert found == RIGHT | changed
    assert (disagreement(claim, verdict) is None) == ("failed" not in found.values())


def test_a_base_of_the_claimed_name_with_another_fingerprint_is_no_unclaimed_base(project):
    config = project(entry("x", "NOT_MET")).parseconfig("--noisefloor-claims=claims.toml")
    gate = Gate(config, renew=None)
    (claim,) = gate.claims
    about = {"bet": claim.bet, "base": MODEL, "method": "norm-only", "users": ["cy", "bob", "ann"]}
    about["where"] = "anywhere"  # the claim does not say
    assert gate.claim_about(fingerprint="f" * 64, **about) is claim
    own = replace(about["bet"], sha256="0" * 64)
    other = replace(about["bet"], registration=Registration())  # the same file, by another recipe
    for bet in (own, other):
        assert gate.claim_about(fingerprint="f" * 64, **about | {"bet": bet}) is None
    assert gate.claim_about(fingerprint="f" * 64, **about | {"base": "other/model"}) is None
    with pytest.raises(ClaimError, match=r"claim 'x': key 'fingerprint' = 'f+'; the base .* 'e+'"):
        gate.claim_about(fingerprint="e" * 64, **about)


def test_claims_about_other_texts_are_about_other_things(project):
    """Two folders of users of the same names, and shipped users beside others of their names."""
    names = ["programmer", "novelist", "scientist"]
    claims = [
        entry("one", "NOT_MET", users=names, texts="one"),
        entry("two", "NOT_MET", users=names, texts="two"),
        entry("three", "NOT_MET", users="shipped"),
    ]
    given = project(*claims)
    for folder in ("one", "two"):
        given.mkdir(folder)
    gate = Gate(given.parseconfig("--noisefloor-claims=claims.toml"), renew=None)
    about = {"bet": gate.claims[0].bet, "base": MODEL, "method": "norm-only", "users": names}
    for where, expected in {"one": "one", "./two": "two", "shipped": "three", "four": None}.items():
        claim = gate.claim_about(fingerprint="f" * 64, where=where, **about)
        assert (claim and claim.id) == expected


def test_evidence_that_cannot_be_judged_is_looked_at_once(project, monkeypatch):
    gate = Gate(project(entry("x", "NOT_MET")).parseconfig("--noisefloor-claims=claims.toml"), None)
    looks = []

    def look(claim):
        looks.append(claim.id)
        raise EvidenceError("stale")

    monkeypatch.setattr("pytest_noisefloor.claims.judge_evidence", look)
    for _ in range(3):
        with pytest.raises(EvidenceError, match="stale"):
            gate.evidence(gate.claims[0])
    assert looks == ["x"]
