"""A claim says which verdict on its texts it rests on; its evidence came after its bet."""

import json
import shutil

import pytest

from noisefloor_tests.support.claims_planted import LENIENT, evidence, own_bet
from noisefloor_tests.support.ledgers import chain
from noisefloor_tests.support.repositories import Repository
from noisefloor_tests.support.results_by_hand import sealed
from pytest_noisefloor._files import text_sha256
from pytest_noisefloor.claims.evidence import EvidenceError, judge_evidence
from pytest_noisefloor.results.ledger import ledger_parts

TEXTS = ("0" * 64, "1" * 64, "2" * 64)
BASE = "f" * 64


def carrying(*rows):
    """Evidence that carries these lines and its own behind them."""
    about = {"base": BASE, "texts": TEXTS}
    own = {"bet": "ours", "bet_sha256": text_sha256(own_bet())}
    lines = chain(*({**about, **row} for row in (*rows, own)))
    parts = ledger_parts(lines, BASE, TEXTS)
    dumped = [part.model_dump(mode="json", exclude_unset=True) for part in parts]
    return sealed(evidence(LENIENT) | {"ledger": dumped})


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ([], "This is the 1st verdict on these texts."),
        ([{"bet": "a"}], "This is the 2nd verdict on these texts."),
        (
            [{"bet": f"{n}", "locked": None if n < 2 else "2026-11-23"} for n in range(6)],
            "This is the 7th verdict on these texts (by unlocked bets: 2).",
        ),
    ],
)
def test_a_claim_says_which_verdict_on_its_texts_it_rests_on(claim, before, sentence):
    assert judge_evidence(claim(carrying(*before))).count == sentence


def test_a_claim_whose_evidence_has_no_lines_says_that_no_ledger_tells(claim):
    assert judge_evidence(claim()).count == (
        "No ledger tells how many verdicts were formed on these texts."
    )


def test_evidence_whose_lines_are_no_chain_is_one_error(claim):
    content = carrying({"bet": "a"})
    del content["ledger"][0]
    with pytest.raises(EvidenceError, match=r"cannot be judged \(ledger\[0\]: not as it was"):
        judge_evidence(claim(sealed(content)))


# --- what git tells ----------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path):
    """The folder of the claim's evidence, as a repository."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    return Repository(tmp_path)


def commit_text(repository):
    return repository.commit(f"locked/{text_sha256(own_bet())}.toml", own_bet().decode())


def commit_evidence(repository):
    return repository.commit("x.json", json.dumps(evidence(LENIENT)))


def test_evidence_that_was_committed_before_the_text_of_its_bet_is_one_error(repository, request):
    first, second = commit_evidence(repository), commit_text(repository)
    one = request.getfixturevalue("claim")()  # only now is the bet's text in the folder
    with pytest.raises(EvidenceError) as caught:
        judge_evidence(one)
    assert str(caught.value) == (
        f"{one.evidence}: it was committed ({first}) before the text of Bet ours was ({second}); "
        "expected a bet that is locked before it is run"
    )


@pytest.mark.parametrize("commits", [[commit_text, commit_evidence], [commit_text], []])
def test_evidence_that_came_later_or_whose_order_is_unknown_is_judged(repository, claim, commits):
    for commit in commits:
        commit(repository)
    assert judge_evidence(claim()).verdict.level.name == "LENIENT"
