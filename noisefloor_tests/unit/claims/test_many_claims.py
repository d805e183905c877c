"""Claims by the thousand: each is looked at once, and families are those of few claims."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from noisefloor_tests.support.claims_planted import entry, lock_own_bet
from pytest_noisefloor.claims import claim as claims
from pytest_noisefloor.claims import family
from pytest_noisefloor.claims.claim import load_claims
from pytest_noisefloor.claims.evidence import Evidence
from pytest_noisefloor.claims.family import Families
from pytest_noisefloor.claims.repository import Repository

MANY = 600


@pytest.fixture
def file(tmp_path):
    """Claims on as many bases, of which every three share one, by digits of their own."""
    lock_own_bet(tmp_path)
    rows = [
        entry(
            f"c{n}",
            "LENIENT",
            base=f"organisation/b{n}",
            fingerprint=f"{n // 3:012x}",
            evidence=f"e{n}.json",
        )
        for n in range(MANY)
    ]
    path = tmp_path / "claims.toml"
    path.write_text("\n".join(rows))
    return path


def test_every_claim_opens_and_locates_no_more_than_once(file, monkeypatch):
    calls = Counter()
    for name in ("_bet", "locate"):
        whole = getattr(claims, name)

        def counted(*given, name=name, whole=whole):
            calls[name] += 1
            return whole(*given)

        monkeypatch.setattr(claims, name, counted)
    assert len(load_claims(file)) == MANY
    assert calls == {"_bet": 1, "locate": MANY}


def test_families_are_made_once_and_each_evidence_is_judged_once(file, monkeypatch):
    monkeypatch.setattr(family, "assertion_p", lambda verdict, _: verdict)
    found = load_claims(file)
    judged = Counter()

    def judge(one):
        judged[one.id] += 1
        p = (1 + int(one.id[1:]) % 3) / 100  # 0.01, 0.02 and 0.03 in each family
        written = datetime(2026, 11, 26, 12, tzinfo=UTC)
        return Evidence(p, (), frozenset("ab"), written, None)

    families = Families(Repository(found, ()), judge)
    told = [families.adjustment(one) for one in found]
    assert {*judged.values()} == {1}
    assert {(one.p, one.place, one.size, round(one.adjusted, 10)) for one in told} == {
        (0.01, 1, 3, 0.03),
        (0.02, 2, 3, 0.04),
        (0.03, 3, 3, 0.04),
    }
