"""No test speaks of personalisation without a claim that beat its control."""

import json

import pytest

from noisefloor_tests.plugin.conftest import BARE, MARKED
from noisefloor_tests.support import results_planted
from noisefloor_tests.support.claims_planted import (
    ABSENT,
    HARM,
    INVERTED,
    LENIENT,
    UNREACHED,
    by_own_bet,
    entry,
    evidence,
    sealed,
)


def test_a_personalisation_test_whose_claim_beat_its_control_runs(controlled, held):
    controlled.makepyfile(test_mine=MARKED.format('claim="lenient"'))
    held().assert_outcomes(passed=3)


MARKS = {
    'claim="other"': "claim 'other' is not in *claims.toml; there: lenient, missing",
    'claim="missing"': "claim 'missing' has no control: *missing.json: the evidence of *",
    "": 'personalisation(); expected personalisation(claim="<id>")',
    '"lenient"': "personalisation('lenient'); expected *",
    'claim="lenient", strict=True': "personalisation(claim='lenient', strict=True); *",
    'claim=["lenient"]': "personalisation(claim=[[]'lenient']); expected *",
}


def test_an_uncontrolled_personalisation_test_is_stopped(project, stopped):
    missing = entry("missing", "LENIENT", base="other/model")
    given = project(entry("lenient", "LENIENT"), missing, lenient=LENIENT)
    given.makepyfile(**{f"test_{n}": MARKED.format(mark) for n, mark in enumerate(MARKS)})
    stopped(
        *(f"test_{n}.py::test_it_learned_the_user: {text}" for n, text in enumerate(MARKS.values()))
    )


# --- claims that license nothing ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("asserts", "users"),
    [("NOT_MET", UNREACHED), ("ABSENT", ABSENT), ("CATASTROPHIC", INVERTED)],
)
def test_a_claim_that_did_not_beat_its_control_is_no_control(project, stopped, asserts, users):
    """However honest: what the test says of personalisation is then regularisation in disguise."""
    project(entry("x", asserts), x=users).makepyfile(test_mine=MARKED.format('claim="x"'))
    stopped(f"*: claim 'x' asserts {asserts}; expected one that asserts LENIENT or STRICT, since *")


@pytest.mark.parametrize(
    ("bet", "rivals"),
    [
        ("bet37", "full fine-tuning on the user's own text"),
        ("bet52", "the untrained base"),
        ("bet60-why-harm", "the untrained base"),
        ("bet61", "the best of the other users' adapters"),
    ],
)
def test_a_claim_by_a_bet_without_the_random_control_is_no_control(project, stopped, bet, rivals):
    """Full fine-tuning or the base may lose to any training: that says nothing of the user."""
    base = {"base": "reference+ternary"} if bet == "bet52" else {}
    given = project(entry("x", "STRICT", bet=bet, users="shipped", **base), x=LENIENT)
    given.makepyfile(test_mine=MARKED.format('claim="x"'))
    stopped(
        f"*: claim 'x' is by Bet {bet[3:]}, which compares with {rivals}; expected a bet that *"
    )


@pytest.mark.parametrize(
    ("asserts", "users", "supports"),
    [
        ("LENIENT", UNREACHED, "NOT_MET"),
        ("STRICT", LENIENT, "LENIENT"),
        ("LENIENT", HARM, "NOT_MET"),
    ],
)
def test_a_claim_that_its_evidence_does_not_bear_out_is_no_control(
    project, stopped, asserts, users, supports
):
    """Also where the claim itself, which would fail, is not among the tests that were asked for."""
    given = project(entry("x", asserts), x=users)
    given.makepyfile(test_mine=MARKED.format('claim="x"'))
    stopped(
        f"*: claim 'x' asserts {asserts}, which its evidence does not bear out (it supports "
        f"{supports}): see *claims.toml::x",
        words=["test_mine.py", "--deselect=claims.toml"],
    )


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("verdict", "planted"), True, "it is PLANTED, made on a base or by a bet that only"),
        (("users", 0, "slices"), [], "ann's held-out text is {}, but Bet ours registers"),
        (("users", 1, "train_sha256"), "3" * 64, "bob's text is '3333"),
        (("seeds",), [1], "the seeds is [[]1], but claim 'x' rests on [[]0]"),
    ],
)
def test_evidence_that_could_not_stand_for_the_claim_is_no_control(
    project, stopped, path, value, message
):
    given = project(entry("x", "LENIENT"))
    content = evidence(LENIENT)
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    given.path.joinpath("x.json").write_text(json.dumps(sealed(content)))
    given.makepyfile(test_mine=MARKED.format('claim="x"'))
    stopped(f"*: claim 'x' has no control: *x.json: *{message}*")


def test_evidence_of_too_few_tokens_is_no_control(project, stopped, monkeypatch):
    """The level is met, but on so little text that help is resolved for nobody."""
    monkeypatch.setattr(results_planted, "LENGTHS", (640, 640))
    given = project(entry("x", "LENIENT"))
    content = by_own_bet(results_planted.planted_result(LENIENT))
    assert content["verdict"]["level"] == "LENIENT"
    given.path.joinpath("x.json").write_text(json.dumps(content))
    given.makepyfile(test_mine=MARKED.format('claim="x"'))
    stopped(
        "*: claim 'x' asserts LENIENT, which its evidence does not bear out (it supports NOT_MET)*"
    )


def test_the_tiny_base_is_no_control(project, stopped):
    """Its results are planted; the claims file itself is a second error."""
    given = project(entry("x", "LENIENT", base="tiny"))
    given.makepyfile(test_mine=MARKED.format('claim="x"'))
    fault = "*claims.toml: claim 'x'.base = 'tiny'; *"
    stopped(f"*: claim 'x' has no control: {fault}", fault)


# --- without anything heavy --------------------------------------------------------------------


def test_the_gate_imports_no_torch(controlled):
    controlled.makepyfile(test_mine=MARKED.format('claim="lenient"'))
    controlled.makeconftest(
        "import sys\n"
        "def pytest_sessionfinish(session):\n"
        "    print('heavy:', sorted({'torch', 'transformers'} & sys.modules.keys()))\n"
    )
    result = controlled.runpytest_subprocess(
        *BARE, "--noisefloor-claims=claims.toml", "-s", timeout=120
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*heavy: []*"])
