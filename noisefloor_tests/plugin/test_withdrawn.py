"""A withdrawn claim stays in its file and asserts nothing: it is skipped with its reason."""

from datetime import date

from noisefloor_tests.plugin.conftest import MARKED
from noisefloor_tests.support.claims_planted import LENIENT, MODEL, UNREACHED, entry
from pytest_noisefloor.plugin.claim_items import Gate

WITHDRAWN = {"withdrawn": date(2026, 11, 26), "reason": "The interval was of one training."}
OLD = entry("old", "LENIENT", **WITHDRAWN)


def test_it_is_skipped_with_its_reason_and_its_sentence_and_a_claim_on_its_evidence_holds(
    project, held
):
    project(OLD, entry("new", "NOT_MET", evidence="old.json"), old=UNREACHED)
    result = held("-rs")
    result.assert_outcomes(passed=2, skipped=1)
    why = "withdrawn on 2026-11-26: The interval was of one training."
    result.stdout.fnmatch_lines_random(
        [
            f"SKIPPED * {why}",
            f"noisefloor: claims.toml::old: {why} (Claimed on 2026-11-23, of norm-only adapters *: "
            "LENIENT: ratio shown to be above 1, *)",
        ]
    )


def test_its_evidence_is_neither_asked_for_nor_renewed(project, held):
    given = project(OLD)
    result = held("--noisefloor-train", "claims.toml")
    result.assert_outcomes(skipped=1)
    assert not given.path.joinpath("old.json").exists()
    assert not given.path.joinpath(".noisefloor").exists()


def test_a_session_is_held_to_the_claim_that_stands(project):
    given = project(OLD, entry("new", "NOT_MET"))
    gate = Gate(given.parseconfig("--noisefloor-claims=claims.toml"), renew=None)
    old, new = gate.claims
    about = {"base": MODEL, "fingerprint": "f" * 64, "method": "norm-only"}
    assert gate.claim_about(bet=new.bet, users=new.users, **about) is new
    project(OLD)
    gate = Gate(given.parseconfig("--noisefloor-claims=claims.toml"), renew=None)
    assert gate.claim_about(bet=old.bet, users=old.users, **about) is None


def test_a_personalisation_test_cannot_rest_on_it(project, stopped):
    project(OLD, old=LENIENT).makepyfile(test_mine=MARKED.format('claim="old"'))
    stopped("*: claim 'old' was withdrawn on 2026-11-26: The interval was of one training.")
