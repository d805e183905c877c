"""A claim on somebody's own bet needs the lock beside the bet's file, and holds from its date."""

import json
from datetime import date, timedelta

import pytest

from noisefloor_tests.support.claims_planted import LENIENT, entry, evidence, lock_own_bet, own_bet
from noisefloor_tests.support.locking import digests, lock, own_text
from noisefloor_tests.support.results_by_hand import sealed
from pytest_noisefloor._files import text_sha256
from pytest_noisefloor.bets.editing import with_texts
from pytest_noisefloor.claims.claim import ClaimError, load_claims
from pytest_noisefloor.claims.evidence import EvidenceError, judge_evidence
from pytest_noisefloor.data.users import text_digests


@pytest.fixture
def ours(tmp_path):
    """A bet of one's own that is not locked yet, and a claims file that names it."""
    path = tmp_path / "ours.toml"
    path.write_bytes(own_bet())
    (tmp_path / "claims.toml").write_text(entry("x", "LENIENT"))
    return path


@pytest.fixture
def claim(ours):
    """A function: the claim on evidence of this content, once the bet is locked."""

    def claim(content):
        (one,) = load_claims(ours.parent / "claims.toml")
        one.evidence.write_text(json.dumps(sealed(content)))
        return one

    return claim


def test_a_claim_on_a_bet_of_ones_own_needs_its_lock(ours, claim):
    content = evidence(LENIENT)
    with pytest.raises(ClaimError, match=r".bet: .*ours\.toml: not locked; a claim needs"):
        claim(content)
    lock(ours)
    assert judge_evidence(claim(content)).verdict.level.name == "LENIENT"
    content["bet"]["sha256"] = "0" * 64
    with pytest.raises(EvidenceError, match=r"bet\.sha256 is"):
        judge_evidence(claim(content))


@pytest.mark.parametrize(("ahead", "refused"), [(1, False), (3, True)])
def test_a_claim_needs_a_bet_that_is_locked_already(ours, ahead, refused):
    """But for a day, by which time zones may differ."""
    day = date.today() + timedelta(days=ahead)
    lock(ours, on=day)
    if not refused:
        assert load_claims(ours.parent / "claims.toml")[0].bet.registration.locked == day
        return
    with pytest.raises(ClaimError, match=f"locked on {day}, a day that is still to come"):
        load_claims(ours.parent / "claims.toml")


# --- its texts ------------------------------------------------------------------------------------


def bare():
    """The text of a bet before bets named their texts."""
    return own_bet().partition(b"\n[design.texts.")[0]


def amend(path, content, on):
    """Lock a file's new content beside what is locked there already."""
    register = path.parent / "LOCK"
    before = register.read_text()
    path.write_bytes(content)
    lock(path, on)
    register.write_text(f"{before}\n{register.read_text()}")


def test_a_claim_on_a_bet_that_names_no_texts_is_refused(ours, claim):
    ours.write_bytes(bare())
    lock(ours)
    with pytest.raises(ClaimError, match="it names no users' texts, and a claim is about texts"):
        claim(evidence(LENIENT))


def made_under(content, text, on="2026-11-24"):
    """Evidence that was made under a text of the bet on a day."""
    bet = content["bet"] | {"sha256": text_sha256(text)}
    return content | {"bet": bet, "times": content["times"] | {"written": f"{on}T12:00:00+00:00"}}


def test_evidence_stands_where_the_amendment_added_the_texts_alone(ours, claim):
    """Its age is held against the day of the first text, which named none."""
    old = bare()
    ours.write_bytes(old)
    lock(ours, "2026-11-24")
    amend(ours, own_bet(), "2026-11-26")
    assert judge_evidence(claim(made_under(evidence(LENIENT), old))).verdict.level.name == "LENIENT"
    early = made_under(evidence(LENIENT), old, on="2026-11-22")
    with pytest.raises(EvidenceError, match="before the text of Bet ours was locked on 2026-11-24"):
        judge_evidence(claim(early))


def test_evidence_on_other_texts_than_were_added_is_an_error(ours, claim):
    """Whoever runs many users first, and registers the best of them, has other digests."""
    old = bare()
    ours.write_bytes(old)
    lock(ours, "2026-11-24")
    amend(ours, own_text(ours, dict.fromkeys(LENIENT, digests("4"))), "2026-11-26")
    with pytest.raises(EvidenceError, match=r"ann's text is '0000.* Bet ours registers '4444"):
        judge_evidence(claim(made_under(evidence(LENIENT), old)))


@pytest.mark.parametrize(
    "before",
    [
        lambda: own_bet().replace(b"at_least = 1.1", b"at_least = 1.2"),
        lambda: bare().replace(b"seeds = [0]", b"seeds = [1]"),
        lambda: own_bet().replace(b"0" * 64, b"4" * 64),
    ],
    ids=["another bar", "another seed", "other texts"],
)
def test_evidence_of_a_text_that_said_something_else_is_stale(ours, claim, before):
    """Also if it said other texts: on today's it was registered by nobody then."""
    old = before().replace(b'design_of = "60"\n', b"")
    ours.write_bytes(old)
    lock(ours, "2026-11-24")
    amend(ours, own_bet().replace(b'design_of = "60"\n', b""), "2026-11-26")
    with pytest.raises(EvidenceError, match=r"bet\.sha256 is"):
        judge_evidence(claim(made_under(evidence(LENIENT), old, on="2026-11-27")))


def test_a_bet_of_ones_own_may_be_about_the_shipped_users_if_it_has_their_texts(tmp_path):
    path = lock_own_bet(tmp_path)
    path.write_bytes(with_texts(path.read_bytes(), path, text_digests("shipped"), ()))
    lock(path)
    claims = tmp_path / "claims.toml"
    claims.write_text(entry("x", "LENIENT", users="shipped"))
    assert load_claims(claims)[0].users == ("programmer", "novelist", "scientist")
    names = text_digests("shipped")
    path.write_bytes(own_text(path, dict.fromkeys(names, digests())))
    lock(path)
    with pytest.raises(ClaimError, match="users = 'shipped'; expected"):
        load_claims(claims)
