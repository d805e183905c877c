"""Somebody's own: a method by its import path, a bet locked beside its file, and a claim on it."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from noisefloor_tests.support import planted
from noisefloor_tests.support.claims_planted import LENIENT, entry, evidence, sealed
from noisefloor_tests.support.results_by_hand import found, noise_floor, save
from pytest_noisefloor._files import file_sha256, resource_path
from pytest_noisefloor.bets.bet import load_bet
from pytest_noisefloor.bets.registry import open_bet
from pytest_noisefloor.claims.claim import ClaimError, load_claims
from pytest_noisefloor.claims.evidence import EvidenceError, judge_evidence
from pytest_noisefloor.data.arms import ARMS, ArmError, open_arm
from pytest_noisefloor.errors import BetError, MethodError
from pytest_noisefloor.results.rejudging import rejudge, rejudge_content
from pytest_noisefloor.training.methods.registry import METHODS, open_method

HERE = __name__


class LastGain:
    """The last norm's gain alone."""

    name = "last-gain"
    version = 3

    @contextmanager
    def attached(self, model):
        """The gain of the last norm, from norm-only's own."""
        with METHODS["norm-only"].attached(model) as tensors:
            yield {planted.FINAL: tensors[planted.FINAL]}


LAST, NO_METHOD, IMPOSTOR = LastGain(), object(), METHODS["norm-only"]


class Constant:
    """A control that repeats one token."""

    name = "constant"
    version = 5
    reads = "nothing"

    def batches(self, arm_input, recipe, seed):
        """The same token, whoever the user."""
        for _ in range(recipe.steps):
            yield np.full((recipe.batch, recipe.sequence), seed % arm_input.vocabulary)


class Renamed(Constant):
    """The same under a name that its maker chooses, or with another appetite."""

    def __init__(self, name="constant", reads="nothing"):
        self.name, self.reads = name, reads


CONSTANT, NO_ARM, ARM_IMPOSTOR = Constant(), object(), ARMS["random"]
SLASHED, PEEPING = Renamed("a/b"), Renamed(reads="held-out text")


# --- a method -----------------------------------------------------------------------------------


def test_a_method_of_ones_own_trains_and_is_judged_by_its_import_path(tmp_path):
    bet = replace(planted.BET, method=f"{HERE}:LAST")
    one = planted.experiment(
        planted.damaged_base(0.5),
        [planted.user("ann", 1)],
        tmp_path,
        bet=bet,
        method=open_method(bet.method),
        steps=3,
        batch=1,
    )
    assert one.verdict
    content = json.loads(one.result_path.read_text())
    assert content["method"] == {
        "name": "last-gain",
        "trained_values": planted.COUNT,
        "adapter_bytes": 4 * planted.COUNT,
    }
    assert content["versions"]["method"] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nowhere.to.be.found:OURS", "No module named 'nowhere'"),
        (f"{HERE}:NOTHING", "has no attribute 'NOTHING'"),
        (
            f"{HERE}:NO_METHOD",
            "an object of object without name, version, attached; expected an object",
        ),
        (f"{HERE}:LastGain", "the class LastGain, not an object of it; expected an object with"),
        (f"{HERE}.LAST:LAST", "ModuleNotFoundError"),
        (
            f"{HERE}:IMPOSTOR",
            "the name 'norm-only', which a shipped one has; expected an object with name, version",
        ),
    ],
)
def test_what_is_no_method_of_ones_own_is_one_error(words, message):
    with pytest.raises(MethodError) as caught:
        open_method(words)
    assert str(caught.value).startswith(f"method {words!r}: ")
    assert message in str(caught.value)


# --- an arm -------------------------------------------------------------------------------------


def test_an_arm_of_ones_own_is_a_control_by_its_import_path(tmp_path):
    label = f"{HERE}:CONSTANT"
    bet = replace(planted.BET, contrast=replace(planted.BET.contrast, numerator=label))
    one = planted.experiment(
        planted.damaged_base(0.5), [planted.user("ann", 1)], tmp_path, bet=bet, steps=3, batch=1
    )
    assert label in one.verdict.effects[0].nll
    assert not bet.controlled
    content = json.loads(one.result_path.read_text())
    assert content["versions"]["arms"] == {label: 5, "oracle": 1, "real": 1}
    names = {path.stem for path in (tmp_path / "out").iterdir()}
    assert names == {f"PLANTED_{bet.id}_{arm}_ann" for arm in ("constant", "real")}
    again = rejudge_content(content, bet)
    assert (again.level, again.met) == (one.verdict.level, one.verdict.met)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nowhere.to.be.found:OURS", "No module named 'nowhere'"),
        ("constant", "ModuleNotFoundError"),
        (f"{HERE}:NO_ARM", "an object of object without name, version, reads, batches; expected"),
        (
            f"{HERE}:ARM_IMPOSTOR",
            "the name 'random', which a shipped one has; expected an object with",
        ),
        (f"{HERE}:SLASHED", "name 'a/b'; expected letters, digits, _ and -"),
        (f"{HERE}:PEEPING", "reads 'held-out text'; expected nothing or training text"),
    ],
)
def test_what_is_no_arm_of_ones_own_is_one_error(words, message):
    with pytest.raises(ArmError) as caught:
        open_arm(words)
    assert str(caught.value).startswith(f"arm {words!r}: ")
    assert message in str(caught.value)


# --- a bet --------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    """A bet of one's own: Bet 60's text with another id and name."""
    text = resource_path("bets", "bet60.toml").read_text(encoding="utf-8")
    path = tmp_path / "ours.toml"
    path.write_text(text.replace('id = "60"\nname = "60_', 'id = "ours"\nname = "ours_'), "utf-8")
    return path


def lock(path, on="2026-11-24"):
    """Lock a bet file as it is, in its own folder, from a day on."""
    sha256 = file_sha256(path)
    kept = path.parent / "locked" / f"{sha256}.toml"
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(path.read_bytes())
    (path.parent / "LOCK").write_text(
        f'[[lock]]\nfile = "{path.name}"\nsha256 = "{sha256}"\ndate = {on}\n'
        'reason = "registered, before any run"\n'
    )


def test_a_bet_of_ones_own_is_registered_once_a_lock_beside_it_names_it(own):
    assert open_bet(str(own)).status() == "UNREGISTERED"
    lock(own)
    assert open_bet(str(own)).status() == "REGISTERED"
    assert open_bet(str(own)).registration_note == "registered 2026-11-23 by its own project"
    other = own.with_name("other.toml")
    other.write_bytes(own.read_bytes() + b"# unnamed\n")
    assert open_bet(str(other)).status() == "UNREGISTERED"


def test_a_bet_that_changed_under_its_own_lock_is_an_error_that_shows_the_change(own):
    lock(own)
    own.write_text(own.read_text("utf-8").replace("at_least = 1.1", "at_least = 1.01"), "utf-8")
    with pytest.raises(
        BetError, match=r"not what was locked on 2026-11-24(?s:.*)\+at_least = 1.01"
    ):
        open_bet(str(own))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace('id = "ours"', 'id = "60"'), "expected others than those of"),
        (lambda text: text.replace("2026-11-23", "2026-11-25"), "registered 2026-11-25, but first"),
    ],
)
def test_a_lock_of_ones_own_does_not_cover_a_shipped_name_or_a_later_date(own, change, message):
    own.write_text(change(own.read_text("utf-8")), "utf-8")
    lock(own)
    with pytest.raises(BetError, match=message):
        open_bet(str(own))


def test_a_lock_of_ones_own_that_is_none_or_kept_no_text_is_one_error(own):
    lock(own)
    (kept,) = (own.parent / "locked").iterdir()
    kept.unlink()
    with pytest.raises(BetError, match="not the text that was locked"):
        open_bet(str(own))
    for text in ("", "lock = 3", "lock = [1]"):
        (own.parent / "LOCK").write_text(text)
        with pytest.raises(BetError, match=r"LOCK: .*an entry has file, sha256, date and reason"):
            open_bet(str(own))


def test_a_result_by_a_bet_of_ones_own_is_judged_against_it(own, tmp_path):
    lock(own)
    one = found("bet60", noise_floor())
    bet = one.content["bet"] | {"id": "ours", "sha256": file_sha256(own)}
    path = save(tmp_path, replace(one, content=one.content | {"bet": bet}))
    judged = rejudge(path, against=str(own))
    assert judged.verdict.level.name == "NOT_MET"
    assert not [note for note in judged.notes if "never locked" in note or "design" in note]
    before = file_sha256(own)[:12]
    own.write_text(own.read_text("utf-8").replace("lr = 5e-5", "lr = 5e-2"), "utf-8")
    lock(own)
    notes = " ".join(rejudge(path, against=str(own)).notes)
    assert f"Made under another text than this bet's ({before})." in notes
    assert "never locked" not in notes
    (own.parent / "LOCK").unlink()
    notes = " ".join(rejudge(path, against=str(own)).notes)
    assert f"Made under another text than this bet's ({before})." in notes
    assert "It was made by another design than this bet's: lr 5e-05, not 0.05." in notes
    assert "This text was never locked." in notes


def test_a_claim_on_a_bet_of_ones_own_needs_its_lock(own, few_resamples, tmp_path):
    claims, bet = tmp_path / "claims.toml", load_bet(own)
    claims.write_text(entry("x", "LENIENT", bet="ours.toml"))
    with pytest.raises(ClaimError, match=r"key 'bet': .*ours\.toml: not locked; a claim needs"):
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
    content["times"] = {"written": "2026-11-22T12:00:00+00:00"}
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
