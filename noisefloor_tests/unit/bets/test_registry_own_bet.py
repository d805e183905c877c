"""Somebody's own bet, locked beside its file; and a method of one's own by its import path."""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest

from noisefloor_tests.support import planted
from noisefloor_tests.support.locking import lock
from pytest_noisefloor.bets.registry import open_bet
from pytest_noisefloor.errors import BetError, MethodError
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


# --- a bet --------------------------------------------------------------------------------------


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
        (
            lambda text: text.replace("2026-11-23", "2026-11-25"),
            "registered 2026-11-25; expected no day after its first lock",
        ),
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
    for text, message in (
        ("", "key 'lock' is missing; expected entries with file, sha256, date and reason"),
        ("lock = 3", "lock = 3; expected a list of tables with file, sha256, date, reason"),
        ("lock = [1]", r"lock\[0\] = 1; expected a table with file, sha256, date, reason"),
    ):
        (own.parent / "LOCK").write_text(text)
        with pytest.raises(BetError, match=f"LOCK: {message}"):
            open_bet(str(own))
