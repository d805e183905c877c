"""Evidence is of what its claim names, sealed, or it is one clear error."""

import json
from dataclasses import replace
from datetime import date

import pytest

from noisefloor_tests.support.claims_planted import LENIENT, evidence
from noisefloor_tests.support.results_by_hand import sealed
from noisefloor_tests.support.results_planted import planted_result
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.claims.claim import load_claims
from pytest_noisefloor.claims.evidence import EvidenceError, judge_evidence, replace_evidence


def edited(content, path, value):
    """The content with the value at a path."""
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return content


def test_evidence_of_what_the_claim_names_is_judged(claim):
    found = judge_evidence(claim())
    assert found.verdict.level.name == "LENIENT"
    assert found.gaps == ("the base organisation/model, whose files are not looked for",)


def test_evidence_that_is_not_json_is_one_error_that_says_how_to_renew_it(claim):
    one = claim()
    one.evidence.write_text("{", encoding="utf-8")
    with pytest.raises(EvidenceError, match=r"not JSON .*; renew it with --noisefloor-train$"):
        judge_evidence(one)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("bet", "sha256"), "0" * 64, "bet.sha256 is '0000"),
        (("base", "name"), "other/model", "base.name is 'other/model'"),
        (("base", "fingerprint"), "e" * 64, "base.fingerprint is 'eeee"),
        (("method", "name"), "lora-r4", "method.name is 'lora-r4'"),
        (("versions", "method"), 99, "the method's version is 99"),
        (("versions", "scorer"), "sliding/0", "the scorer is 'sliding/0'"),
        (("versions", "arms", "random"), 0, "the version of arm random is 0"),
        (("recipe", "lr"), 5e-3, "recipe.lr is 0.005, but claim 'x' rests on 5e-05"),
        (("seeds",), [1], "the seeds is [1]"),
        (("users", 0, "slices", 0, "sums"), {}, "scores in first, by arm is []"),
        (("users", 0, "user"), "dee", "the users is ['bob', 'cy', 'dee']"),
        (("verdict", "planted"), True, "it is PLANTED, made on a base or by a bet that only"),
        (("versions",), {}, "versions: key 'method' is missing; expected version of the method"),
        (("times",), {}, "times: key 'written' is missing; expected when"),
        (("times", "written"), "2026-11-24T12:00:00", "expected a time with its zone, as 2026"),
        (("times", "written"), "yesterday", "times.written = 'yesterday'; expected a time"),
        (("schema",), 1, "the file's schema is 1"),
        (("users", 0, "mean_nll", "real"), 1.0, "mean NLL(real) is given as 1.0"),
        (("users", 0, "slices"), [], "ann's held-out text is {}, but Bet ours registers {'first'"),
        (("users", 1, "train_sha256"), "3" * 64, "bob's text is '3333"),
        (("users", 1, "slices", 1, "sha256"), "3" * 64, "bob's held-out text is {'first': '1111"),
        (("users", 1, "slices", 1, "slice"), "third", "bob's held-out text is {'first': '1111"),
    ],
)
def test_evidence_of_something_else_is_an_error(claim, path, value, message):
    one = claim(sealed(edited(evidence(LENIENT), path, value)))
    with pytest.raises(EvidenceError) as caught:
        judge_evidence(one)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{one.evidence}: ")


@pytest.mark.parametrize(
    ("written", "before"),
    [
        ("2026-11-24T12:00:00+00:00", False),
        ("2026-11-24T00:00:00+14:00", False),
        ("2026-11-23T23:59:59+14:00", True),
        ("2026-11-23T09:59:59+00:00", True),
    ],
)
def test_a_result_that_was_there_before_its_bet_was_locked_is_no_evidence(claim, written, before):
    """A slip; who makes the file again, from what is in the store, gives it a new day."""
    one = claim(sealed(edited(evidence(LENIENT), ("times", "written"), written)))
    assert one.bet.registration.locked == date(2026, 11, 24)
    if not before:
        assert judge_evidence(one).verdict.level.name == "LENIENT"
        return
    with pytest.raises(
        EvidenceError, match="before the text of Bet ours was locked on 2026-11-24;"
    ):
        judge_evidence(one)


def test_shipped_users_must_have_been_measured_on_the_text_that_is_shipped(claim):
    shipped = dict.fromkeys(("programmer", "novelist", "scientist"), (1.2, 1.0, 1.3))
    one = claim(sealed(planted_result(shipped)), bet="bet60", users="shipped")
    with pytest.raises(EvidenceError, match=r"programmer's text is '0000.* Bet 60 registers '588"):
        judge_evidence(one)


def test_evidence_by_cell_lacks_no_cell(tmp_path):
    """A cell that was left out must be named as a repeat of another."""
    shipped = load_claims(resource_path("claims.toml"))
    (claim,) = (one for one in shipped if one.bet.id == "46" and not one.withdrawn)
    content = json.loads(claim.evidence.read_text(encoding="utf-8"))
    left_out = content["users"].pop(3)["unit"]
    file = tmp_path / "46.json"
    file.write_text(json.dumps(sealed(content)))
    with pytest.raises(EvidenceError, match=f"the list of cells is .* rests on .*{left_out}"):
        judge_evidence(replace(claim, evidence=file))


# --- the seal ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("users", 0, "mean_nll", "real"), 1.0),
        (("users", 0, "delta"), 1.0),
        (("base", "fingerprint"), "f" * 63 + "e"),
        (("seal",), "0" * 64),
    ],
)
def test_an_edited_result_breaks_its_seal(claim, path, value):
    """Also where nothing else would tell: a figure that no judge reads, one digit of a hash."""
    one = claim(edited(evidence(LENIENT), path, value))
    message = r"x\.json: the seal is not that of the content: it was"
    with pytest.raises(EvidenceError, match=message):
        judge_evidence(one)


def test_sums_and_means_that_were_edited_alike_break_the_seal(claim):
    """What the file's figures cannot tell of each other: all of cy's scores are taken from ann."""
    content = evidence(LENIENT)
    ann, _, cy = content["users"]
    content["users"][2] = ann | {"user": cy["user"]}
    with pytest.raises(EvidenceError, match="the seal is not that of the content"):
        judge_evidence(claim(content))
    # and whoever makes the seal anew is not caught by it, as the README says
    assert judge_evidence(claim(sealed(content))).verdict.effects[2].ratio > 1.1


def test_a_result_without_a_seal_is_no_evidence(claim):
    content = evidence(LENIENT)
    del content["seal"]
    with pytest.raises(EvidenceError, match="key 'seal' is missing; expected SHA-256 of all else"):
        judge_evidence(claim(content))
    with pytest.raises(EvidenceError, match="or written without one; renew it with"):
        judge_evidence(claim(as_version_2(content)))


def test_a_key_that_no_result_has_is_named(claim):
    message = r"x\.json: unknown key 'note'; expected schema, bet, .*; renew it with"
    with pytest.raises(EvidenceError, match=message):
        judge_evidence(claim(edited(evidence(LENIENT), ("note",), "edited")))


def as_version_2(content):
    """The content as version 2 had it: without what version 3 adds."""
    verdict = {key: value for key, value in content["verdict"].items() if key != "findings"}
    rates = [{k: v for k, v in of.items() if k != "bounds"} for of in verdict["error_rates"]]
    return content | {"schema": 2, "verdict": verdict | {"error_rates": rates}}


def test_evidence_of_version_2_stays_evidence(claim):
    old = claim(sealed(as_version_2(evidence(LENIENT))))
    assert judge_evidence(old).verdict == judge_evidence(claim()).verdict


def test_rewriting_the_file_in_another_layout_keeps_the_seal(claim):
    one = claim()
    content = json.loads(one.evidence.read_text())
    one.evidence.write_text(json.dumps(dict(reversed(content.items())), indent=7))
    assert judge_evidence(one).verdict.level.name == "LENIENT"


# --- replacing it ------------------------------------------------------------------------------


def test_new_evidence_replaces_the_old_once_it_is_known_to_be_of_the_claim(claim):
    one = claim({"old": True})
    replace_evidence(one, evidence(LENIENT))
    assert judge_evidence(one).verdict.level.name == "LENIENT"
    assert json.loads(one.evidence.read_text()) == evidence(LENIENT)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("seeds",), [1], "the seeds is [1], but claim 'x' rests on [0]"),
        (("base", "fingerprint"), "e" * 64, "base.fingerprint is 'eeee"),
        (("verdict", "planted"), True, "it is PLANTED, made on a base or by a bet that only"),
        (("users", 0, "mean_nll", "real"), 1.0, "mean NLL(real) is given as 1.0"),
    ],
)
def test_new_evidence_of_something_else_leaves_the_old_bitwise_as_it_was(
    claim, path, value, message
):
    one = claim({"old": True})
    before = one.evidence.read_bytes()
    with pytest.raises(EvidenceError) as caught:
        replace_evidence(one, sealed(edited(evidence(LENIENT), path, value)))
    assert message in str(caught.value)
    assert "left as it was, since the new result does not fit it" in str(caught.value)
    assert one.evidence.read_bytes() == before
    assert sorted(p.name for p in one.file.parent.glob("*.*")) == [
        "claims.toml",
        "ours.toml",
        "x.json",
    ]
