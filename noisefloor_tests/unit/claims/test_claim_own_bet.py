"""A claim on somebody's own bet needs the lock beside the bet's file, and holds from its date."""

import json
from datetime import date, timedelta

import pytest

from noisefloor_tests.support.claims_planted import LENIENT, entry, evidence
from noisefloor_tests.support.locking import lock
from noisefloor_tests.support.results_by_hand import sealed
from pytest_noisefloor.bets.bet import load_bet
from pytest_noisefloor.claims.claim import ClaimError, load_claims
from pytest_noisefloor.claims.evidence import EvidenceError, judge_evidence


def test_a_claim_on_a_bet_of_ones_own_needs_its_lock(own, tmp_path):
    claims, bet = tmp_path / "claims.toml", load_bet(own)
    claims.write_text(entry("x", "LENIENT", bet="ours.toml"))
    with pytest.raises(ClaimError, match=r".bet: .*ours\.toml: not locked; a claim needs"):
        load_claims(claims)
    lock(own)
    (claim,) = load_claims(claims)
    content = evidence(LENIENT)
    claim.evidence.write_text(json.dumps(content))
    with pytest.raises(EvidenceError, match=r"bet\.sha256 is"):
        judge_evidence(claim)
    content["bet"] = content["bet"] | {"sha256": bet.sha256}
    claim.evidence.write_text(json.dumps(sealed(content)))
    assert judge_evidence(claim).verdict.level.name == "LENIENT"
    content["times"]["written"] = "2026-11-22T12:00:00+00:00"
    claim.evidence.write_text(json.dumps(sealed(content)))
    with pytest.raises(EvidenceError, match="before the text of Bet ours was locked on 2026-11-24"):
        judge_evidence(claim)


@pytest.mark.parametrize(("ahead", "refused"), [(1, False), (3, True)])
def test_a_claim_needs_a_bet_that_is_locked_already(own, tmp_path, ahead, refused):
    """But for a day, by which time zones may differ."""
    claims, day = tmp_path / "claims.toml", date.today() + timedelta(days=ahead)
    claims.write_text(entry("x", "LENIENT", bet="ours.toml"))
    lock(own, on=day)
    if not refused:
        assert load_claims(claims)[0].bet.registration.locked == day
        return
    with pytest.raises(ClaimError, match=f"locked on {day}, a day that is still to come"):
        load_claims(claims)
