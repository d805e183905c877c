"""Families of claims: who belongs to one, and Holm's adjustment in it, by hand."""

from datetime import UTC, date, datetime

import pytest

from noisefloor_tests.support.claims_planted import entry, lock_own_bet
from noisefloor_tests.support.locking import digests, lock, own_text
from pytest_noisefloor.claims import family
from pytest_noisefloor.claims.claim import ClaimError, load_claims
from pytest_noisefloor.claims.evidence import Evidence, EvidenceError
from pytest_noisefloor.claims.family import Families
from pytest_noisefloor.claims.repository import Repository

NEW = date(2026, 11, 26)
BOB_ZOE = {"users": ["bob", "zoe"], "bet": "bob_zoe/bob_zoe.toml"}
ZOE = {"users": ["zoe"], "bet": "zoe/zoe.toml"}
WITHDRAWN = {"withdrawn": NEW, "reason": "The rule was wrong."}
BEFORE = datetime(2026, 11, 25, 9, 59, 59, tzinfo=UTC)
FIRST = datetime(2026, 11, 25, 10, tzinfo=UTC)  # the day has begun, at UTC+14


def of(p, texts="ab", **changes):
    """A claim of this p value, or None if it cannot be judged, its texts, and keys of its entry."""
    return p, texts, changes


@pytest.fixture
def claims(tmp_path, monkeypatch):
    """A function: write claims, each as id = its p value or ``of`` it; gives one that adjusts."""
    lock_own_bet(tmp_path)
    for name, users in {"bob_zoe": ["bob", "zoe"], "zoe": ["zoe"]}.items():
        path = tmp_path / name / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(own_text(path, dict.fromkeys(users, digests())))
        lock(path)
    monkeypatch.setattr(family, "assertion_p", lambda verdict, _: verdict)

    def write(written=BEFORE, unknown=(), **given):
        entries, found = [], {}
        for name, one in given.items():
            p, texts, changes = one if isinstance(one, tuple) else of(one)
            fields = {"asserts": "LENIENT", "base": f"organisation/{name}"} | changes
            entries.append(entry(name, fields.pop("asserts"), **fields))
            found[name] = (
                EvidenceError(f"{name} is stale")
                if p is None
                else Evidence(
                    verdict=p, gaps=(), texts=frozenset(texts), written=written, attempts=None
                )
            )
        file = tmp_path / "claims.toml"
        file.write_text("\n".join(entries))
        known = {one.id: one for one in load_claims(file)}
        repository = Repository(tuple(known.values()), tuple(unknown))
        families = Families(repository, lambda one: found[one.id])
        return lambda name: families.adjustment(known[name])

    return write


def test_holm_by_hand(claims):
    """4 × 0.01; 3 × 0.02; then no less than the one before: 2 × 0.025 and 1 × 0.04 are."""
    adjusted = claims(w=0.04, x=0.01, y=0.025, z=0.02)
    found = {name: adjusted(name) for name in "wxyz"}
    assert [one.p for one in found.values()] == [0.04, 0.01, 0.025, 0.02]
    assert [one.adjusted for one in found.values()] == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert [(one.place, one.size) for one in found.values()] == [(4, 4), (1, 4), (3, 4), (2, 4)]
    assert found["x"].sentence == (
        "1 of 4, adjusted p 0.04: of the 4 claims on this base and these texts its p value, 0.01, "
        "is number 1 from the smallest (Holm)."
    )


def test_a_claim_alone_is_not_adjusted(claims):
    found = claims(x=0.03)("x")
    assert (found.adjusted, found.size) == (0.03, 1)
    assert found.sentence == (
        "Not adjusted, since there is no other claim on this base and these texts: p 0.03."
    )


def test_what_is_not_shown_and_what_was_withdrawn_is_not_counted(claims):
    adjusted = claims(x=0.03, y=of(0.001, "ab", asserts="NOT_MET"), z=of(0.001, "ab", **WITHDRAWN))
    assert (adjusted("x").size, adjusted("x").adjusted) == (1, 0.03)
    assert adjusted("y") is None
    assert adjusted("z") is None


# --- who belongs to a family -------------------------------------------------------------------


def test_another_base_or_other_texts_are_another_family(claims):
    adjusted = claims(x=0.03, base=of(0.03, "ab", fingerprint="e" * 12), texts=of(0.03, "cd"))
    assert [adjusted(name).size for name in ("x", "base", "texts")] == [1, 1, 1]


def test_one_text_in_common_is_enough_and_leads_from_claim_to_claim(claims):
    adjusted = claims(x=of(0.01, "ab"), y=of(0.01, "cd"), z=of(0.01, "bc"))
    assert [adjusted(name).size for name in "xyz"] == [3, 3, 3]


def test_a_base_is_one_by_the_digits_that_both_claims_give(claims):
    adjusted = claims(x=0.01, y=of(0.01, "ab", fingerprint="f" * 64))
    assert adjusted("x").size == adjusted("y").size == 2
    adjusted = claims(x=0.01, y=of(0.01, "ab", fingerprint="f" * 12 + "e" * 52))
    assert adjusted("x").size == 2  # the claim of twelve digits may be about that base


def test_evidence_that_cannot_be_judged_counts_with_1_and_is_named(claims):
    """By the users' names, since its texts are not known."""
    adjusted = claims(x=0.03, y=of(None, "", **BOB_ZOE), z=of(None, "", **ZOE))
    found = adjusted("x")
    assert (found.adjusted, found.size, found.unjudged) == (0.09, 3, ("'y'", "'z'"))
    assert found.sentence.endswith(
        "Counted with p = 1, since the evidence cannot be judged: 'y', 'z'. Only claims from "
        "2026-11-26 on are held to it."
    )
    with pytest.raises(EvidenceError, match="y is stale"):
        adjusted("y")


# --- the primary claim -------------------------------------------------------------------------


def test_the_primary_claim_is_not_adjusted_and_the_others_are_without_it(claims):
    adjusted = claims(x=of(0.03, "ab", primary=True), y=0.02, z=0.04)
    found = {name: adjusted(name) for name in "xyz"}
    assert [one.adjusted for one in found.values()] == [0.03, 0.04, 0.04]
    assert found["x"].sentence == (
        "Primary, so not adjusted for 2 other claims on this base and these texts: p 0.03."
    )
    assert found["y"].sentence.startswith("1 of 2, adjusted p 0.04: of the 2 claims on this ")
    assert found["y"].sentence.endswith("(Holm). The primary claim, 'x', is not counted.")


@pytest.mark.parametrize("more", [{}, WITHDRAWN, {"asserts": "NOT_MET"}])
def test_two_primary_claims_are_refused_though_one_was_withdrawn(claims, more):
    """Or the next could follow until one holds."""
    adjusted = claims(x=of(0.03, "ab", primary=True), y=of(0.02, "ab", primary=True, **more), z=0.5)
    for name in "xz":
        with pytest.raises(ClaimError) as caught:
            adjusted(name)
        assert str(caught.value).endswith(
            "are both primary; expected one primary claim on one base and its texts, withdrawn "
            "claims included"
        )


def test_two_families_have_a_primary_claim_each(claims):
    adjusted = claims(x=of(0.03, "ab", primary=True), y=of(0.02, "cd", primary=True))
    assert [adjusted(name).primary for name in "xy"] == ["x", "y"]


# --- which claims it decides -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "written", "decides"),
    [
        (date(2026, 11, 25), BEFORE, False),
        (NEW, BEFORE, True),
        (date(2026, 11, 23), FIRST, True),  # dated back
    ],
)
def test_the_later_of_a_claims_date_and_its_evidences_decides(claims, day, written, decides):
    adjusted = claims(written, x=of(0.03, "ab", date=day), y=0.04)
    found = adjusted("x")
    assert (found.adjusted, found.decides, bool(found.fault)) == (0.06, decides, decides)
    assert ("Only claims from 2026-11-26 on" in found.sentence) is not decides


def test_a_fault_is_a_reviewers_text_with_the_familys_size_and_what_primary_does(claims):
    adjusted = claims(FIRST, x=0.03, y=0.04)
    assert adjusted("x").fault == (
        "Adjusted for the 2 claims on this base and these texts, the claim's p value of 0.03 is "
        "0.06, which is not below 0.05: of so many claims one like it may come out by chance. "
        "Measure more text or more seeds, or withdraw the claim. One claim of them all, chosen "
        "before its result was known, can be marked primary = true: it is not adjusted, and the "
        "others are adjusted without it."
    )


@pytest.mark.parametrize(("p", "fails"), [(0.0249, False), (0.025, True)])
def test_an_adjusted_p_of_0_05_is_not_below_it(claims, p, fails):
    assert bool(claims(FIRST, x=p, y=0.9)("x").fault) is fails


@pytest.mark.parametrize(("p", "fails"), [(0.049, False), (0.051, True)])
@pytest.mark.parametrize("others", [{"y": 0.9, "z": 0.9}, {}])
def test_a_primary_claim_or_a_claim_alone_must_hold_by_itself(claims, others, p, fails):
    found = claims(FIRST, x=of(p, "ab", primary=bool(others)), **others)("x")
    assert found.fault == (
        "The claim's p value, 0.051, is not below 0.05. Measure more text or more seeds, or "
        "withdraw the claim."
        if fails
        else ""
    )


def test_a_family_that_is_not_all_known_decides_against_a_claim_that_must_hold(claims):
    why = ["other.toml: not to be read"]
    new = claims(FIRST, unknown=why, x=0.0001)("x")
    assert new.fault == (
        "The claim cannot be adjusted for the number of claims, since they are not all known: "
        "other.toml: not to be read."
    )
    old = claims(BEFORE, unknown=why, x=0.0001)("x")
    assert old.fault == ""
    assert old.sentence.endswith("Further claims are not known (other.toml: not to be read).")
