"""Claims on the same base and texts are adjusted for their number, wherever they are claimed."""

import json
import shutil
import subprocess
from datetime import date

import pytest

from noisefloor_tests.plugin.conftest import MARKED
from noisefloor_tests.support.claims_planted import (
    LENIENT,
    UNREACHED,
    entry,
    evidence,
    lock_own_bet,
)
from pytest_noisefloor.claims import family

NEW = date(2026, 11, 26)
OTHER = "organisation/other"


@pytest.fixture
def just_below(monkeypatch):
    """Every claim has a p value of 0.03: enough by itself, and too little as one of two."""
    monkeypatch.setattr(family, "assertion_p", lambda *_: 0.03)


def two(**changes):
    """Two claims on the same texts; the second is of an earlier day."""
    return entry("one", "LENIENT", **changes), entry("two", "LENIENT", base=OTHER)


def test_claims_on_the_same_texts_say_their_place_and_hold_though_adjusted(project, held):
    project(*two(date=NEW), entry("third", "NOT_MET", base="organisation/third"),
            one=LENIENT, two=(LENIENT, OTHER), third=(UNREACHED, "organisation/third"))  # fmt: skip
    result = held("claims.toml")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines_random(
        [
            "noisefloor: claims.toml::one: ? of 2, adjusted p *e-*: of the 2 claims on this base "
            "and these texts its p value, *e-*, is number ? from the smallest (Holm).",
            "noisefloor: claims.toml::two: ? of 2, adjusted p *",
        ]
    )
    assert "claims.toml::third: ? of" not in result.stdout.str()


def test_a_claim_that_does_not_hold_after_adjustment_fails_and_an_older_one_says_so(
    project, held, just_below
):
    project(*two(date=NEW), one=LENIENT, two=(LENIENT, OTHER))
    result = held("claims.toml")
    result.assert_outcomes(passed=1, failed=1)
    place = "1 of 2, adjusted p 0.06: of the 2 claims on this base and these texts its p value, 0.*"
    result.stdout.fnmatch_lines(
        [
            "*_ claim one _*",
            "Claimed on 2026-11-26, of norm-only adapters on organisation/model for ann, *",
            "Adjusted for the 2 claims on this base and these texts, the claim's p value of 0.03 "
            "is 0.06, which is not below 0.05: *can be marked primary = true: it is not *",
            place,
        ]
    )
    result.stdout.fnmatch_lines(
        [f"noisefloor: claims.toml::two: {place} Only claims from 2026-11-26 on are held to it."]
    )


def test_a_claim_that_is_dated_back_is_held_to_it_by_its_evidences_date(project, held, just_below):
    written = "2026-11-26T12:00:00+00:00"
    project(*two(), one=(LENIENT, "organisation/model", written), two=(LENIENT, OTHER))
    result = held("claims.toml")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*_ claim one _*", "Claimed on 2026-11-23, *", "Adjusted for *"])


def test_the_primary_claim_is_not_adjusted_and_a_second_one_is_an_error(project, held, just_below):
    given = project(*two(date=NEW, primary=True), one=LENIENT, two=(LENIENT, OTHER))
    result = held("claims.toml")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines_random(
        [
            "noisefloor: claims.toml::one: Primary, so not adjusted for 1 other claim on this *",
            "noisefloor: claims.toml::two: Not adjusted, since there is no other claim on this *",
        ]
    )
    one, other = two(date=NEW, primary=True)
    given.path.joinpath("claims.toml").write_text(f"{one}\n{other}primary = true\n")
    result = held("claims.toml")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["*claims.toml: claims 'one' and 'two' are both primary; expected one primary claim on *"]
    )


def test_a_claim_that_its_evidence_contradicts_fails_with_its_place_too(project, held):
    project(entry("x", "STRICT"), x=LENIENT)
    result = held("claims.toml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["STRICT is not what was measured: *", "Not adjusted, since there *"]
    )


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_a_family_is_not_hidden_in_a_second_claims_file(project, held, just_below):
    one, other = two(date=NEW)
    given = project(one, one=LENIENT)
    more = given.mkdir("more")
    lock_own_bet(more)
    more.joinpath("claims.toml").write_text(other)
    more.joinpath("two.json").write_text(json.dumps(evidence(LENIENT, OTHER)))
    held("claims.toml").assert_outcomes(passed=1)
    subprocess.run(["git", "init", "-q", given.path], check=True)  # noqa: S607
    result = held("claims.toml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Adjusted for the 2 claims on this base and these texts, the *"])
    more.joinpath("two.json").unlink()
    result = held("claims.toml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*Counted with p = 1, since the evidence cannot be judged: 'two' in *claims.toml."]
    )


def test_the_family_is_judged_once_a_session_and_not_renewed_for_another_claim(
    project, held, monkeypatch
):
    """With --noisefloor-train too: only the claim that was asked for is renewed."""
    renewed = []
    monkeypatch.setattr(
        "pytest_noisefloor.plugin.hooks.renew_evidence", lambda _, claim: renewed.append(claim.id)
    )
    project(*two(), one=LENIENT, two=(LENIENT, OTHER))
    result = held("claims.toml::one", "--noisefloor-train")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*::one: ? of 2, adjusted p *"])
    assert renewed == ["one"]
    result = held("claims.toml", "--noisefloor-train")
    result.assert_outcomes(passed=2)
    assert renewed == ["one", "one", "two"]


# --- tests that speak of personalisation -------------------------------------------------------


def test_a_personalisation_test_says_what_its_claim_licenses(controlled, held):
    controlled.makepyfile(test_mine=MARKED.format('claim="lenient"'))
    result = held("test_mine.py")
    result.assert_outcomes(passed=2)
    said = [line for line in result.outlines if "test_mine.py::test_it_learned_the_user" in line]
    assert said == [
        "noisefloor: test_mine.py::test_it_learned_the_user: Claim 'lenient' asserts LENIENT, "
        'which licenses: learns from text. The word "personalisation" needs more, which cannot be '
        "measured here yet: that each of four or more authors of one genre is identified by their "
        "own adapter."
    ]


def test_a_claim_that_does_not_hold_after_adjustment_licenses_nothing(project, stopped, just_below):
    given = project(*two(date=NEW), one=LENIENT, two=(LENIENT, OTHER))
    given.makepyfile(test_mine=MARKED.format('claim="one"'))
    stopped(
        "*: claim 'one' does not hold: Adjusted for the 2 claims on this base and these texts, *",
        words=["test_mine.py"],
    )
