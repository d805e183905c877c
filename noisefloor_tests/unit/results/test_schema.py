"""The model of a result file: what is written keeps to it, and files of all versions are read."""

import json
import re
from dataclasses import fields

import pytest
from jsonschema import Draft202012Validator

from noisefloor_tests.support.claims_planted import LENIENT, entry, evidence, lock_own_bet
from noisefloor_tests.support.places import HARNESS
from noisefloor_tests.support.results_by_hand import found, noise_floor, save
from noisefloor_tests.support.results_planted import planted_result
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.claims import evidence as examining
from pytest_noisefloor.claims.claim import load_claims
from pytest_noisefloor.claims.evidence import judge_evidence
from pytest_noisefloor.results import collection, rejudging
from pytest_noisefloor.results.collection import read_collection
from pytest_noisefloor.results.files import ResultError, read_file
from pytest_noisefloor.results.lifting import OF_BLOCKS, lift
from pytest_noisefloor.results.parts_design import RecipePart, ScoringPart
from pytest_noisefloor.results.rejudging import rejudge, rejudge_file
from pytest_noisefloor.specs import Recipe, Scoring

EVERY = sorted(resource_path("evidence").glob("*.json"))
EVIDENCE = [path for path in EVERY if read_file(path)["schema"] == 2]
"""What an earlier version of this project wrote."""


def test_what_is_written_keeps_to_the_shipped_schema_and_is_read_as_it_stands(planted_experiment):
    verdict = planted_experiment.verdict
    content = read_file(planted_experiment.result_path)
    text = (HARNESS / "results" / "schemas" / "result-4.json").read_text(encoding="utf-8")
    errors = Draft202012Validator(json.loads(text)).iter_errors(content)
    assert [error.message for error in errors] == []
    assert content["schema"] == 4
    assert content["verdict"]["findings"]["claimable"] == list(verdict.findings.claimable)
    assert lift(content).content == content


@pytest.mark.parametrize(("part", "spec"), [(RecipePart, Recipe), (ScoringPart, Scoring)])
def test_recipe_and_scoring_stand_in_a_file_with_all_their_fields(part, spec):
    assert [*part.model_fields] == [field.name for field in fields(spec)]


# --- older versions -----------------------------------------------------------------------------


def lost(old, new, path=""):
    """The paths at which the new content does not say what the old one says."""
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(key, value, new.get(key)) for key, value in old.items()]
    elif isinstance(old, list) and len(old) == len(new):
        pairs = [(at, value, new[at]) for at, value in enumerate(old)]
    else:
        return [] if old == new else [path]
    return [at for key, a, b in pairs for at in lost(a, b, f"{path}.{key}")]


@pytest.mark.parametrize("path", EVIDENCE, ids=lambda path: path.stem)
def test_what_a_file_of_version_2_says_is_read_without_a_loss_but_for_what_rests_on_blocks(path):
    """Judging starts from the sums, so the intervals of a block bootstrap say nothing more."""
    content = read_file(path)
    found = lost(content, lift(content).content)
    of_blocks = {*OF_BLOCKS, ".verdict.reach"}
    assert {re.sub(r"^\.users\.\d+\.", "", at) for at in found} <= of_blocks


def test_there_is_evidence_of_version_2():
    assert len(EVIDENCE) > 10


FIRST = {
    (): ["versions", "kernel", "cell", "seal"],
    ("base",): ["model"],
    ("recipe",): ["matmul"],
    ("scoring",): ["noise"],
    ("verdict",): ["rests_on_harm", "reach", "error_rates", "unresolved"],
    ("users",): ["candidates", "intervals", "sign_flip_p", "holm_p", "absent_p", "detectable"],
    ("adapters",): ["name", "method", "lr", "trained_values", "bytes"],
}
"""What the first files did not have."""


def without(content, removed):
    for path, keys in removed.items():
        tables = content[path[0]] if path else content
        for table in tables if isinstance(tables, list) else [tables]:
            for key in keys:
                table.pop(key, None)
    return content


def test_a_file_of_version_1_is_judged_by_its_means_alone():
    content = read_file(resource_path("evidence", "bet60_reference.json"))
    bet = registered_bet("bet60")
    today = rejudge_file(lift(content), bet)
    first = without(content | {"schema": 1}, FIRST)
    for row in first["users"]:
        for piece in row["slices"]:
            del piece["sums"]
    file = lift(first)
    then = rejudge_file(file, bet)
    assert (then.level, then.effects) == (today.level, today.effects)
    assert (then.resolved, then.reach) == ((), ())
    assert (file.adapters[0].name, file.adapters[0].bytes) == ("60_real_programmer", 9216)


def test_an_early_file_of_version_2_is_judged_as_a_later_one():
    content = read_file(resource_path("evidence", "bet60_reference.json"))
    bet = registered_bet("bet60")
    today = rejudge_file(lift(content), bet)
    removed = {key: value for key, value in FIRST.items() if key not in {(), ("verdict",)}}
    early = without(content, removed | {(): ["kernel", "seal"], ("versions",): ["other_methods"]})
    assert rejudge_file(lift(early), bet) == today


# --- whose mistake it is ------------------------------------------------------------------------


def changed(content, path, value):
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("users", 1, "mean_nll", "real"), "low", "users[1].mean_nll.real = 'low'; expected a num"),
        (("users", 0, "slices"), {}, "users[0].slices = {}; expected a list"),
        (("seeds", 0), True, "seeds[0] = True; expected a whole number"),
        (("verdict", "level"), "GOOD", "verdict.level = 'GOOD'; expected 'STRICT', 'LENIENT'"),
        (("verdict", "findings"), None, "verdict.findings = None; expected a table"),
        (("base", "colour"), 1, "base: unknown key 'colour'; expected name, fingerprint, model"),
        (("cell",), 32, "cell = 32; expected 64"),
        (("users", 0, "slices", 0, "tokens"), 0, "tokens = 0; expected more than 0"),
        (("schema",), "3", "schema '3'; expected 1, 2, 3 or 4"),
    ],
)
def test_a_mistake_in_a_file_is_one_line_with_key_value_and_what_was_expected(path, value, message):
    with pytest.raises(ResultError) as caught:
        lift(changed(evidence(LENIENT), path, value), "my.json")
    assert str(caught.value).startswith("my.json: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_figure_that_cannot_be_is_refused_with_the_files_name(tmp_path):
    path = tmp_path / "my.json"
    content = changed(planted_result(LENIENT), ("users", 0, "mean_nll", "real"), 400.0)
    path.write_text(json.dumps(content))
    with pytest.raises(ResultError, match=r"my\.json: user 'ann': mean NLL\(real\) = 400"):
        rejudge(path)
    many = 10**15
    content = changed(planted_result(LENIENT), ("users", 0, "slices", 0, "tokens"), many)
    path.write_text(json.dumps(content))
    with pytest.raises(
        ResultError, match=rf"my\.json: .* 64 sums; expected {many // 64} of {many}"
    ):
        rejudge(path)


class OurMistakeError(KeyError):
    """What a slip in our code may raise."""


@pytest.fixture
def slip(monkeypatch):
    """Judging makes a mistake of ours."""

    def slipped(*_, **__):
        raise OurMistakeError

    for module in (rejudging, collection, examining):
        monkeypatch.setattr(module, "rejudge_file", slipped)


def test_a_mistake_of_ours_is_no_users_mistake(slip, tmp_path):
    own = str(lock_own_bet(tmp_path))
    (tmp_path / "claims.toml").write_text(entry("x", "LENIENT"))
    (tmp_path / "x.json").write_text(json.dumps(evidence(LENIENT)))
    (one,) = load_claims(tmp_path / "claims.toml")
    for judge in (
        lambda: rejudge(one.evidence, against=own),
        lambda: judge_evidence(one),
        lambda: read_collection(save(tmp_path, found("bet60", noise_floor())).parents[1]),
    ):
        with pytest.raises(OurMistakeError):
            judge()
