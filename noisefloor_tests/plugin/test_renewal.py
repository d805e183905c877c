"""``--noisefloor-train``: evidence is trained, checked against its claim, then replaced."""

import json

import pytest

from noisefloor_tests.plugin.conftest import stored
from noisefloor_tests.support.claims_planted import entry, evidence
from noisefloor_tests.support.locking import lock_entry, own_text
from pytest_noisefloor.claims import evidence as checks  # or each session would import its own
from pytest_noisefloor.data.users import load_users, text_digests
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models.loading import fingerprints_at_hand
from pytest_noisefloor.specs import SCORER

pytestmark = pytest.mark.usefixtures("without_reach")

USERS = ("ann", "bob")


@pytest.fixture
def renewable(pytester, folder_base, write_users, preloaded):
    """A project that claims something of its own base, users and texts; gives its claims file.

    Its bet is locked on its users' texts. That it is a short training is all that Bet 60 has not.
    """
    texts = text_digests(write_users(pytester.path / "texts", *USERS, "cy"))
    _, fingerprint = fingerprints_at_hand(str(folder_base))
    entries = []

    def write(asserts="NOT_MET", bet="ours.toml", registers=USERS, **changes):
        path = pytester.path / bet
        path.write_bytes(own_text(path, {name: texts[name] for name in registers}, steps=2))
        entries.append(lock_entry(path, "2026-11-24"))
        (pytester.path / "LOCK").write_text("\n".join(entries))
        named = {"base": "small", "users": USERS, "texts": "texts", "fingerprint": fingerprint}
        claim = entry("mine", asserts, bet=bet, **named | changes)
        pytester.path.joinpath("claims.toml").write_text(claim)
        return pytester.path / "mine.json"

    return write


@pytest.fixture
def train(held):
    def run(*words):
        return held("--noisefloor-train", "--noisefloor-device=cpu", *words)

    return run


def test_missing_evidence_is_trained_and_holds_from_then_on(
    pytester, renewable, train, held, read_result
):
    file = renewable()
    held().assert_outcomes(errors=1)
    result = train()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["user *untrained *", f"results: {file}"])
    first, trained = read_result(file), stored(pytester)
    assert first["base"]["name"] == "small"
    assert [row["user"] for row in first["users"]] == list(USERS)
    assert first["recipe"]["steps"] == 2
    assert not {"results", "out"} & {path.name for path in pytester.path.iterdir()}

    again = held()
    again.assert_outcomes(passed=1)
    assert "Not compared" not in again.stdout.str()  # base and texts were
    file.write_text("spoiled")
    train().assert_outcomes(passed=1)
    assert read_result(file) == first
    # what the claim rests on was not trained a second time: for each of its two users three
    # adapters, and on two slices the scores of these and of none
    adapters = [path for path in trained if path.parent.name == "adapters"]
    assert len(adapters) == 2 * 3
    assert {path: at for path, at in stored(pytester).items() if path in trained} == trained


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fingerprint": "0" * 12}, "claim 'mine'.fingerprint = '000000000000'; the base *"),
        ({"users": ["ann", "cy"]}, "*claim 'mine'.users = [[]'ann', 'cy']; expected *"),
        ({"texts": "fewer"}, "*claim 'mine': no text of bob among the users of *fewer'; *"),
        ({"texts": "other"}, "*claim 'mine': in *other' bob's text is *, but Bet ours registers *"),
        ({"texts": None}, "*claim 'mine': no text of ann, bob among the users of 'shipped'; *"),
    ],
)
def test_a_claim_of_something_else_is_refused_before_anything_trains(
    pytester, renewable, train, write_users, monkeypatch, changes, message
):
    monkeypatch.setattr(checks, "load_users", only_here)
    write_users(pytester.path / "fewer", "ann")
    write_users(pytester.path / "other", "ann", "bob")
    pytester.path.joinpath("other", "bob", "train.txt").write_text("other words " * 200)
    file = renewable(**changes)
    file.write_text("the old evidence")
    result = train()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{message}"])
    assert file.read_text() == "the old evidence"
    assert not stored(pytester)


def only_here(where, *rest):
    """Users by folder; those shipped are none, since their packages need not be here."""
    return () if where == "shipped" else load_users(where, *rest)


def test_what_was_trained_but_is_not_of_the_claim_leaves_the_old_bitwise_as_it_was(
    pytester, renewable, train, monkeypatch
):
    file = renewable()
    file.write_text(json.dumps(evidence({"ann": (1.2, 1.0, 1.3)})))
    before = file.read_bytes()
    monkeypatch.setattr(checks, "SCORER", "sliding/99")
    result = train()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*mine.json: left as it was, since the new result does not fit it: the scorer "
            f"is '{SCORER}', *"
        ]
    )
    assert file.read_bytes() == before
    assert stored(pytester)


def test_a_training_that_fails_leaves_the_old_bitwise_as_it_was(
    pytester, renewable, train, monkeypatch
):
    def fail(*_, **__):
        raise NoisefloorError("the adapter did not move")

    file = renewable()
    file.write_text("the old evidence")
    monkeypatch.setattr("pytest_noisefloor.training.train", fail)
    result = train()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["the adapter did not move"])
    assert file.read_text() == "the old evidence"


def test_a_personalisation_test_waits_for_the_training_and_is_then_judged(
    pytester, renewable, train
):
    """Selected alone, so that nothing but the rule itself makes its evidence."""
    file = renewable("LENIENT")
    pytester.makepyfile(
        test_mine="""
        import pytest

        @pytest.mark.personalisation(claim="mine")
        def test_it_learned_the_user():
            pass
        """
    )
    result = train("-k", "learned")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        ["*claim 'mine' asserts LENIENT, which its evidence does not bear*"]
    )
    assert file.is_file()


@pytest.mark.slow
def test_two_workers_renew_two_claims_and_train_nothing_twice(
    pytester, renewable, train, read_result, monkeypatch
):
    """Of one base and overlapping users, so that they share adapters and could share files."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    file = renewable()
    claims = pytester.path / "claims.toml"
    one = claims.read_text()
    others = ("bob", "cy")
    renewable(bet="theirs.toml", registers=others, users=others, evidence="other.json")
    claims.write_text(one + claims.read_text().replace('id = "mine"', 'id = "other"'))
    result = train("-n2")
    result.assert_outcomes(passed=2)
    other = file.with_name("other.json")
    assert [row["user"] for row in read_result(file)["users"]] == ["ann", "bob"]
    assert [row["user"] for row in read_result(other)["users"]] == ["bob", "cy"]
    assert len([path for path in stored(pytester) if path.parent.name == "adapters"]) == 3 * 3
    assert result.stdout.str().count("results: ") == 2


def test_training_without_a_claims_file_is_refused_at_the_start(pytester):
    pytester.makepyfile("def test_passes(): pass")
    result = pytester.runpytest_inprocess("--noisefloor-train")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --noisefloor-train: no claims file is named; give it *"])


def test_training_whose_claims_were_deselected_says_so(project):
    given = project(entry("mine", "NOT_MET"))
    words = ["--noisefloor-claims=claims.toml", "--noisefloor-train", "-k", "passes"]
    result = given.runpytest_inprocess(*words)
    result.assert_outcomes(passed=1, deselected=1)
    assert "noisefloor: --noisefloor-train: no claim was selected" in result.outlines


def test_claims_are_renewed_though_one_test_was_named_with_them(project):
    given = project(entry("mine", "NOT_MET"))
    given.makeini("[pytest]\nnoisefloor_claims = claims.toml")
    test = "test_claims_are_renewed_though_one_test_was_named_with_them.py::test_passes"
    result = given.runpytest_inprocess("--noisefloor-train", test)
    result.assert_outcomes(passed=1, errors=1)  # its base is not to be had
