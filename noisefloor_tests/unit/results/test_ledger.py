"""A result carries the ledger's lines about its base and texts; they count its verdict."""

import json
import re
from dataclasses import replace

import pytest

from noisefloor_tests.support import planted
from noisefloor_tests.support.ledgers import BASE, TEXTS, chain
from noisefloor_tests.support.results_by_hand import sealed
from pytest_noisefloor import experiment as module
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.lock import read_lock
from pytest_noisefloor.bets.registration import Registration
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.results.errors import ResultError
from pytest_noisefloor.results.ledger import Attempts, attempts, ledger_parts, text_digests
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.rejudging import rejudge
from pytest_noisefloor.runs.ledger import shipped_ledger
from pytest_noisefloor.specs import digest

OTHER = {"base": "c" * 64}
"""What makes a line one about another base."""


def counted(file, **registration):
    """Count the verdicts up to a file's, by the text of the bet that the file names."""
    named = {"id": file.bet.id, "sha256": file.bet.sha256}
    bet = replace(registered_bet("bet60"), **named, registration=Registration(**registration))
    return attempts(file, bet)


# --- what a session writes ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def user():
    return planted.user("ann", 1, written=2000)


@pytest.fixture
def experiment(tmp_path, user):
    """A function: an experiment on one store, that says whether base and bet are planted.

    Its result is in a folder of its own.
    """

    def experiment(name, *, base=False, bet=False, **changes):
        base = replace(planted.damaged_base(), planted=base)
        bet = replace(planted.BET, planted=bet)
        made = planted.experiment(base, [user], tmp_path, bet=bet, steps=1, **changes)
        made.out = tmp_path / name
        return made

    return experiment


def carried(made):
    assert made.verdict
    return json.loads(made.result_path.read_text())["ledger"]


def test_a_verdict_is_in_the_ledger_once_and_its_result_carries_its_line_last(
    experiment, tmp_path, user
):
    first = carried(experiment("a"))
    (file,) = (tmp_path / "store" / "ledger").iterdir()
    (line,) = map(json.loads, file.read_text().splitlines())
    texts = sorted([user.train_sha256, *(piece.sha256 for piece in user.heldout)])
    assert line["texts"] == texts
    assert (line["bet"], line["bet_sha256"]) == (planted.BET.id, planted.BET.sha256)
    assert (line["base"], line["seeds"]) == (planted.damaged_base().fingerprint, [0])
    assert first == [{key: value for key, value in line.items() if key != "texts"}]
    by_seed = carried(experiment("b", seeds=(1,)))
    assert [row["seeds"] for row in by_seed] == [[0], [1]]
    content = file.read_bytes()
    assert carried(experiment("c")) == first
    rejudge(experiment("c").result_path, against=str(resource_path("bets", "bet60.toml")))
    assert file.read_bytes() == content


def test_a_crash_after_the_line_loses_nothing_and_the_verdict_counts_once(experiment, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(module, "write_result", crash)
        with pytest.raises(KeyboardInterrupt):
            assert experiment("a").verdict
    (row,) = carried(experiment("b"))
    assert row["level"] == experiment("b").verdict.level.name


@pytest.mark.parametrize("what", ["base", "bet"])
def test_a_verdict_by_a_planted_base_or_bet_is_in_no_ledger(experiment, tmp_path, what):
    assert experiment("a", **{what: True}).verdict
    (file,) = (tmp_path / "a" / "results").iterdir()
    assert "ledger" not in json.loads(file.read_text())
    assert not (tmp_path / "store" / "ledger").exists()


# --- what a result carries of a store ----------------------------------------------------------


def test_lines_of_other_bases_and_texts_are_carried_as_hashes_alone():
    lines = chain(
        OTHER,
        {"bet": "own texts"},
        {"bet": "no text of these", "texts": ("3" * 64,)},
        OTHER,
        {"bet": "some of these", "texts": (TEXTS[1], "3" * 64)},
        {"bet": "no base of these", **OTHER},
        {"bet": "own"},
    )
    short = [line.sha256[:16] for line in lines]
    found = [part.model_dump(exclude_unset=True) for part in ledger_parts(lines, BASE, TEXTS)]
    assert [row["bet"] for row in found] == ["own texts", "some of these", "own"]
    assert [row["between"] for row in found] == [(short[0],), (short[2], short[3]), (short[5],)]
    assert [row.get("texts") for row in found] == [None, (TEXTS[1], "3" * 64), None]
    # so each line's content is known, and each link of the chain
    for row, line in zip(found, (lines[1], lines[4], lines[6]), strict=True):
        content = {"texts": TEXTS, **row}
        del content["between"]
        assert content == line.model_dump(exclude_unset=True)
        assert digest({k: v for k, v in content.items() if k != "sha256"}) == line.sha256
        assert row["between"][-1] == line.prev[:16]


def test_a_thousand_lines_of_other_bases_take_thirty_bytes_each():
    lines = chain(*(OTHER | {"seeds": (n,)} for n in range(1000)), {})
    (part,) = ledger_parts(lines, BASE, TEXTS)
    written = json.dumps({"ledger": [part.model_dump(mode="json")]}, indent=1)
    assert 16_000 < len(written) < 30_000


# --- counting ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "words"),
    [
        *((1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (7, "7th"), (10, "10th")),
        *((11, "11th"), (12, "12th"), (13, "13th"), (20, "20th"), (21, "21st"), (22, "22nd")),
        *((23, "23rd"), (101, "101st"), (111, "111th"), (112, "112th"), (1001, "1001st")),
    ],
)
def test_a_number_is_said_as_english_says_it(number, words):
    assert str(Attempts(number, 0)) == f"the {words} verdict on these texts"


def test_verdicts_by_unlocked_bets_are_said():
    assert str(Attempts(7, 2)) == "the 7th verdict on these texts (by unlocked bets: 2)"


@pytest.fixture(scope="module")
def evidence():
    """The content of a committed result, of Bet 61."""
    return json.loads(resource_path("evidence", "bet61_reference.json").read_text())


@pytest.fixture
def carrying(evidence):
    """A function: that result with the lines of a ledger, its own behind those given."""
    file = lift(evidence)
    texts = text_digests(file.users)
    about = {"base": file.base.fingerprint, "texts": texts}
    own = {"bet": "61", "bet_sha256": file.bet.sha256}

    def carrying(*rows, change=lambda _: None):
        lines = chain(*({**about, **row} for row in (*rows, own)))
        parts = [
            part.model_dump(mode="json", exclude_unset=True)
            for part in ledger_parts(lines, file.base.fingerprint, texts)
        ]
        change(parts)
        return lift(sealed(evidence | {"ledger": parts}))

    return carrying


def test_a_verdict_is_counted_among_the_lines_that_its_result_carries(carrying):
    assert counted(carrying()) == Attempts(1, 0)
    unlocked = {"bet": "mine", "locked": None}
    rows = ({"bet": "60"}, unlocked, OTHER, {"bet": "yours", "locked": None}, OTHER)
    assert counted(carrying(*rows)) == Attempts(4, 2)


def test_a_verdict_that_is_twice_in_stores_brought_together_counts_once(carrying):
    assert counted(carrying({"bet": "60"}, {"bet": "60", "locked": None})) == Attempts(2, 0)


def removed(at):
    return lambda parts: parts.pop(at)


def edited(at, **values):
    return lambda parts: parts[at].update(values)


BROKEN = "not as it was written, or the line before it is missing; expected an unbroken chain"

CHEATS = {
    "the first line removed": (removed(0), f"ledger[0]: {BROKEN}"),
    "a line removed": (removed(1), f"ledger[1]: {BROKEN}"),
    "its own line removed": (removed(-1), "ledger: the last line is about another result"),
    "a hash removed": (edited(3, between=[]), f"ledger[3]: {BROKEN}"),
    "a level edited": (edited(0, level="STRICT"), f"ledger[0]: {BROKEN}"),
    "a lock edited": (edited(0, locked="2026-11-20"), f"ledger[0]: {BROKEN}"),
    "texts edited": (edited(0, texts=["1" * 64]), f"ledger[0]: {BROKEN}"),
    "lines swapped": (lambda parts: parts.insert(0, parts.pop(1)), f"ledger[0]: {BROKEN}"),
}


@pytest.mark.parametrize(("change", "message"), CHEATS.values(), ids=CHEATS)
def test_carried_lines_that_were_changed_are_refused_though_the_seal_was_made_anew(
    carrying, change, message
):
    file = carrying({"bet": "60"}, {"bet": "62"}, {"bet": "63"}, OTHER, change=change)
    with pytest.raises(ResultError, match=re.escape(message)):
        counted(file)


def test_a_result_without_lines_is_counted_among_the_shipped_up_to_its_own(evidence):
    assert counted(lift(evidence)) == Attempts(3, 0)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("2026-11-24T08:56:42+00:00", 3),  # and what is known by the day alone comes first of it
        ("2026-11-23T23:59:59+00:00", 2),
        ("2026-11-25T00:00:00+00:00", 25),
    ],
)
def test_a_result_that_is_not_among_the_shipped_is_counted_by_its_time(evidence, written, number):
    content = evidence | {"seeds": [9], "times": evidence["times"] | {"written": written}}
    days_alone = 7 if number == 3 else 0
    assert counted(lift(sealed(content))) == Attempts(number + days_alone, 0)


def test_of_other_texts_no_ledger_tells(evidence):
    rows = [row | {"train_sha256": "0" * 64, "slices": []} for row in evidence["users"]]
    assert counted(lift(sealed(evidence | {"users": rows}))) is None


def test_each_committed_result_has_its_line_in_the_shipped_ledger_or_carries_it():
    paths = sorted(resource_path("evidence").glob("*.json"))
    assert len(paths) >= 18
    for path in paths:
        content = json.loads(path.read_text())
        content["times"]["written"] = "2000-01-01T00:00:00+00:00"  # so that no time helps
        file = lift(content)
        # an amended text carries the line of the verdict that its older text formed
        assert attempts(file, registered_bet(f"bet{file.bet.id}")), path


def test_shipped_lines_name_texts_that_were_locked_since_the_day_that_they_say():
    entries = read_lock(resource_path("bets", "LOCK"))
    for line in shipped_ledger():
        days = [entry.date for entry in entries if entry.sha256 == line.bet_sha256]
        assert str(min(days)) == line.locked


def test_a_result_by_an_amended_text_is_the_verdict_that_its_older_text_formed():
    """An amendment that only names the texts is no second try."""
    path = resource_path("evidence", "bet61_reference.json")
    file = lift(json.loads(path.read_text()))
    bet = registered_bet("bet61")
    assert file.bet.sha256 in bet.registration.older
    amended = file.model_copy(
        update={"bet": file.bet.model_copy(update={"sha256": bet.sha256}), "seeds": (0,)}
    )
    assert attempts(amended, bet) == attempts(file, bet) == counted(file)
    other = replace(bet, registration=Registration())  # an amendment that says something else
    assert attempts(amended, other).number > attempts(amended, bet).number
