"""Ways to choose who is measured after the bet was locked, each caught before anything is claimed.

A bet is locked on three users' texts. Each cheat is a function of these users: the users whom a
session measures instead.
"""

import json
from dataclasses import replace
from itertools import combinations

import pytest

from noisefloor_tests.support import planted
from noisefloor_tests.support.claims_planted import LENIENT, entry
from noisefloor_tests.support.locking import lock, own_text
from noisefloor_tests.support.results_by_hand import sealed
from noisefloor_tests.support.results_planted import planted_result
from pytest_noisefloor._files import text_sha256
from pytest_noisefloor.bets.registry import open_bet
from pytest_noisefloor.claims.claim import load_claims
from pytest_noisefloor.claims.evidence import EvidenceError, judge_evidence
from pytest_noisefloor.data.users import Slice

NAMES = ("ann", "bob", "cy", "dee")
ANN, BOB, CY, DEE = (planted.user(name, n, written=1000) for n, name in enumerate(NAMES))
REGISTERED = (ANN, BOB, CY)


def a_training_text_is_swapped(ann, bob, cy):
    return replace(ann, train=DEE.train), bob, cy


def a_slice_is_swapped(ann, bob, cy):
    return ann, replace(bob, heldout=DEE.heldout), cy


def a_slice_is_renamed(ann, bob, cy):
    return ann, replace(bob, heldout=(Slice("s9", bob.heldout[0].text),)), cy


def a_slice_is_added(ann, bob, cy):
    return ann, bob, replace(cy, heldout=(*cy.heldout, Slice("s1", DEE.heldout[0].text)))


def a_user_is_dropped(ann, bob, _):
    return ann, bob


def a_user_is_added(ann, bob, cy):
    return ann, bob, cy, DEE


def a_user_is_renamed(ann, bob, cy):
    """Whose draws are then seeded by the new name."""
    return ann, bob, replace(cy, name="cyd")


def two_users_change_their_names(ann, bob, cy):
    return replace(ann, name="bob"), replace(bob, name="ann"), cy


def another_user_takes_a_users_name(ann, bob, _):
    return ann, bob, replace(DEE, name="cy")


CHEATS = {
    a_training_text_is_swapped: "ann's text is ",
    a_slice_is_swapped: "bob's held-out text is ",
    a_slice_is_renamed: "bob's held-out text is ",
    a_slice_is_added: "cy's held-out text is ",
    a_user_is_dropped: "the users is ['ann', 'bob'], but claim 'x' rests on ['ann', 'bob', 'cy']",
    a_user_is_added: "the users is ['ann', 'bob', 'cy', 'dee'], but claim 'x' rests on",
    a_user_is_renamed: "the users is ['ann', 'bob', 'cyd'], but claim 'x' rests on",
    two_users_change_their_names: "ann's text is ",
    another_user_takes_a_users_name: "cy's text is ",
}
by_name = pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.__name__)


@pytest.fixture
def bet(tmp_path):
    """The file of a bet that is locked on the three users' texts."""
    path = tmp_path / "ours.toml"
    path.write_bytes(own_text(path, {user.name: user.digests for user in REGISTERED}))
    lock(path)
    return path


def measured(bet, users, folder):
    """The bet as an experiment on these users has it."""
    return planted.experiment(planted.damaged_base(), users, folder, bet=open_bet(str(bet))).bet


def test_on_the_users_that_it_registers_a_bet_is_registered_in_any_order(bet, tmp_path):
    for users in (REGISTERED, REGISTERED[::-1]):
        assert measured(bet, users, tmp_path).status() == "REGISTERED"


@by_name
def test_a_cheat_makes_a_session_unregistered(bet, tmp_path, cheat):
    found = measured(bet, cheat(*REGISTERED), tmp_path)
    assert found.status() == "UNREGISTERED"
    assert found.why_unregistered == "Bet ours's design on texts that nobody registered"


def test_a_planted_bet_proves_the_machinery_on_any_text(tmp_path):
    found = planted.experiment(planted.damaged_base(), [DEE], tmp_path).bet
    assert (found.texts, found.status()) == ({}, "PLANTED")


def evidence_on(users, bet):
    """Evidence by the bet that LENIENT came out, on these users' texts."""
    effects = dict(zip((user.name for user in users), [*LENIENT.values()] * 2, strict=False))
    content = planted_result(effects)
    for row, user in zip(content["users"], users, strict=True):
        row["train_sha256"] = user.train_sha256
        piece = row["slices"][0]
        row["slices"] = [piece | {"slice": p.name, "sha256": p.sha256} for p in user.heldout]
    own = {"id": "ours", "name": "ours", "sha256": text_sha256(bet.read_bytes())}
    return content | {"bet": content["bet"] | own}


def judged(bet, users):
    claims = bet.with_name("claims.toml")
    claims.write_text(entry("x", "LENIENT"))
    (claim,) = load_claims(claims)
    claim.evidence.write_text(json.dumps(sealed(evidence_on(users, bet))))
    return judge_evidence(claim)


@by_name
def test_a_cheats_evidence_bears_no_claim(bet, cheat):
    with pytest.raises(EvidenceError) as caught:
        judged(bet, cheat(*REGISTERED))
    assert CHEATS[cheat] in str(caught.value)


def test_the_best_three_of_many_are_not_those_whom_a_bet_registers(bet, tmp_path):
    """All were registered or others were: no choice of three is a result of the bet."""
    many = [planted.user(f"user{n}", 10 + n, written=1000) for n in range(5)]
    bet.write_bytes(own_text(bet, {user.name: user.digests for user in many}))
    lock(bet)
    assert measured(bet, many, tmp_path).status() == "REGISTERED"
    for three in combinations(many, 3):
        assert measured(bet, three, tmp_path).status() == "UNREGISTERED"
