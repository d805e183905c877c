"""Claims are tests, and each speaks of what it names and of nothing else."""

from dataclasses import replace

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
)
from noisefloor_tests.support.locking import digests, lock_entry, own_text
from pytest_noisefloor.bets.registration import Registration
from pytest_noisefloor.claims.claim import ClaimError
from pytest_noisefloor.claims.evidence import EvidenceError
from pytest_noisefloor.plugin.claim_items import Gate

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
            "What may be said instead: LENIENT: ratio at least 1.1, and the base made better, "
            "shown for 2 of 3 users (ann, bob).",
            "The claim may be strengthened: the data supports STRICT. Measured, *",
            "ABSENT is not shown. Measured, *",
            "What may be said instead: NOT_MET: LENIENT is not shown; by help it was out of this "
            "recipe's reach.",
            "LENIENT came out by point estimates alone, so it may not be claimed. Measured, *",
            "What may be said instead: *",
            "NOT_MET is not what was measured: CATASTROPHIC. Measured, *",
        ]
    )
    result.stdout.fnmatch_lines(
        ["Claimed on *. No ledger tells how many verdicts were formed on *"]
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


# --- which claim speaks of what --------------------------------------------------------


def test_a_base_of_the_claimed_name_with_another_fingerprint_is_no_unclaimed_base(project):
    config = project(entry("x", "NOT_MET")).parseconfig("--noisefloor-claims=claims.toml")
    gate = Gate(config, renew=None)
    (claim,) = gate.claims
    about = {"bet": claim.bet, "base": MODEL, "method": "norm-only", "users": ["cy", "bob", "ann"]}
    assert gate.claim_about(fingerprint="f" * 64, **about) is claim
    own = replace(about["bet"], sha256="0" * 64)
    other = replace(about["bet"], registration=Registration())  # the same file, by another recipe
    for bet in (own, other, about["bet"].on({})):  # or on other texts
        assert gate.claim_about(fingerprint="f" * 64, **about | {"bet": bet}) is None
    assert gate.claim_about(fingerprint="f" * 64, **about | {"base": "other/model"}) is None
    with pytest.raises(ClaimError, match=r"claim 'x'.fingerprint = 'f+'; the base .* 'e+'"):
        gate.claim_about(fingerprint="e" * 64, **about)


def test_claims_about_other_texts_are_about_other_bets(project):
    """Two bets on users of the shipped users' names, and Bet 60 on the shipped users."""
    names = ["programmer", "novelist", "scientist"]
    given = project(
        entry("one", "NOT_MET", bet="one.toml", users=names),
        entry("two", "NOT_MET", bet="two.toml", users=names),
        entry("three", "NOT_MET", bet="bet60", users="shipped"),
    )
    entries = []
    for digit, path in enumerate((given.path / "one.toml", given.path / "two.toml")):
        path.write_bytes(own_text(path, dict.fromkeys(names, digests(str(digit)))))
        entries.append(lock_entry(path, "2026-11-24"))
    (given.path / "LOCK").write_text("\n".join(entries))
    gate = Gate(given.parseconfig("--noisefloor-claims=claims.toml"), renew=None)
    about = {"base": MODEL, "method": "norm-only", "users": names, "fingerprint": "f" * 64}
    for claim in gate.claims:
        assert gate.claim_about(bet=claim.bet, **about) is claim
    one, two, three = (claim.bet for claim in gate.claims)
    for bet, texts in ((one, two.texts), (two, three.texts), (three, one.texts)):
        assert gate.claim_about(bet=bet.on(texts), **about) is None


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
