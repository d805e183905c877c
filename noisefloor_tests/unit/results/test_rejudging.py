"""Evidence can be judged again without training, and a file that cannot is one clear message."""

import json
import math
from copy import deepcopy
from dataclasses import replace

import pytest

from noisefloor_tests.support.results_by_hand import result
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.lock import lock_entries
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.experiment import Experiment
from pytest_noisefloor.report.prose import render_prose
from pytest_noisefloor.report.tables import title
from pytest_noisefloor.results.files import ResultError
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.rejudging import _made_under as made_under
from pytest_noisefloor.results.rejudging import rejudge


@pytest.mark.parametrize(
    ("ratios", "level"),
    [
        ((1.6, 1.6, 1.6), Level.STRICT),
        ((1.2, 1.2, 0.5), Level.LENIENT),
        ((1.05, 1.05, 0.9), Level.NOT_MET),
        ((0.9, 0.9, 1.6), Level.CATASTROPHIC),
    ],
)
def test_a_result_file_gives_its_level_again(save, ratios, level):
    judged = rejudge(save(result(*ratios)))
    assert judged.verdict.level is level
    assert judged.notes == ("Base reference (ffffffffffff).",)


def test_what_a_session_wrote_is_judged_the_same_from_its_file(planted_experiment):
    verdict = planted_experiment.verdict
    again = rejudge(planted_experiment.result_path).verdict
    assert again == replace(verdict, bet=again.bet)
    assert again.planted
    assert again.bet.registration.altered  # it was not made by the recipe that is registered


def test_a_result_of_another_design_than_its_bets_is_unregistered_and_says_in_what(tmp_path):
    content = json.loads(resource_path("evidence", "bet60_reference.json").read_text())
    file = tmp_path / "result.json"
    file.write_text(json.dumps(content))
    judged = rejudge(file)
    assert judged.verdict.bet.registration.locked
    assert [note for note in judged.notes if "design" in note or "seal" in note] == []
    content["seeds"], content["recipe"]["lr"] = [7], 0.5
    file.write_text(json.dumps(content))
    judged = rejudge(file)
    assert judged.verdict.status == "UNREGISTERED"
    assert judged.notes[1:] == (
        "It was made by another design than this bet's: lr 0.5, not 5e-05, seeds [7], not [0].",
        "Its seal is not that of its content: it was edited after it was written.",
    )


@pytest.mark.parametrize(
    ("key", "swap"),
    [
        ("train_sha256", lambda row: row | {"train_sha256": "0" * 64}),
        ("slices", lambda row: row | {"slices": [s | {"sha256": "0" * 64} for s in row["slices"]]}),
    ],
)
def test_a_result_on_other_texts_than_its_bets_is_unregistered(save, key, swap):
    content = json.loads(resource_path("evidence", "bet60_reference.json").read_text())
    assert rejudge(save(content)).verdict.status == "REGISTERED"
    content["users"][0] = swap(content["users"][0])
    verdict = rejudge(save(content)).verdict
    assert verdict.status == "UNREGISTERED"
    assert title(verdict).startswith(
        "UNREGISTERED, Bet 60's design on texts that nobody registered: Bet 60: "
    )


@pytest.mark.parametrize("path", sorted(resource_path("evidence").iterdir()), ids=lambda p: p.stem)
def test_committed_evidence_is_on_the_texts_of_its_bet_which_did_not_change_otherwise(path):
    file = lift(json.loads(path.read_bytes()))
    bet = registered_bet(f"bet{file.bet.id}")
    assert bet.on(file.texts).status() == "REGISTERED"
    assert bet.has_text(file.bet.sha256)
    assert not made_under(file.bet.sha256, bet)


def test_a_text_with_two_digests_is_one_message(save):
    content = json.loads(resource_path("evidence", "bet46_reference.json").read_bytes())
    for change in ({"train_sha256": "0" * 64}, {"slices": deepcopy(content["users"][1]["slices"])}):
        changed = deepcopy(content)
        changed["users"][1] |= change
        changed["users"][1]["slices"][0]["sha256"] = "0" * 64
        file = save(changed)
        with pytest.raises(ResultError) as caught:
            rejudge(file)
        assert str(caught.value).startswith(f"{file}: programmer, seed 0, ")
        assert str(caught.value).endswith("expected one digest a text")


def test_arms_and_contrast_of_an_experiment_are_those_of_its_bet(planted_experiment, tmp_path):
    """A bet that asks for the oracle over the user's text, on what is already trained."""
    assert planted_experiment.verdict
    contrast = replace(planted_experiment.bet.contrast, numerator="oracle", reach="random")
    other = Experiment(
        bet=replace(planted_experiment.bet, contrast=contrast),
        runner=planted_experiment.runner,
        users=planted_experiment.users,
        seeds=planted_experiment.seeds,
        out=tmp_path,
    )
    effect, before = other.verdict.effects[0], planted_experiment.verdict.effects[0]
    assert effect.delta == before.nll["oracle"] - before.nll["real"] != before.delta
    names = {path.name.split("_")[2] for path in (tmp_path / "out").iterdir()}
    assert names == {"real", "oracle"}


def test_numbers_decide_and_what_the_file_says_of_them_is_held_against_them(save):
    content = result(1.05, 1.05, 0.9)
    content["verdict"]["level"] = "STRICT"
    content["users"][0]["ratio"] = 9.0
    judged = rejudge(save(content))
    assert judged.verdict.level is Level.NOT_MET
    assert "The file itself says STRICT." in judged.notes


def test_a_result_of_an_older_lock_is_judged_and_labelled_with_date_and_reason(save):
    content = result(1.2, 1.2, 1.2)
    first, *_, now = lock_entries("bet60.toml", resource_path("bets", "LOCK"))
    content["bet"]["sha256"] = first.sha256
    judged = rejudge(save(content))
    assert judged.verdict.level is Level.LENIENT
    assert judged.verdict.bet.sha256 == now.sha256
    assert judged.notes[1] == (
        "Made under an older text of the bet (locked on 2026-11-23 as 62a6e7dadb94: registered, "
        f"before any run). Amended since ({now})."
    )


def test_a_result_of_another_bet_names_the_text_that_it_was_made_under(save):
    judged = rejudge(save(result(1.2, 1.2, 1.2)), against="bet60-rate-5e-4")
    assert f"Made under bet60.toml ({registered_bet('bet60').sha256[:12]})." in judged.notes
    assert not [note for note in judged.notes if "never" in note]


def test_a_result_of_a_text_that_was_never_locked_is_judged_and_labelled(save):
    content = result(1.2, 1.2, 1.2)
    content["bet"]["sha256"] = "0" * 64
    judged = rejudge(save(content))
    assert judged.verdict.level is Level.LENIENT
    assert judged.notes[1] == "Made under a text of the bet that was never locked (000000000000)."


def test_the_contrast_that_judges_is_the_bet_files(tmp_path):
    """The published table by a bet that asks the other way round."""
    text = resource_path("bets", "bet60.toml").read_text(encoding="utf-8")
    swapped = tmp_path / "swapped.toml"
    swapped.write_text(
        text.replace('numerator = "random"', 'numerator = "real"').replace(
            'denominator = "real"', 'denominator = "random"'
        )
    )
    file = resource_path("published", "bet60.toml")
    as_registered, other = rejudge(file), rejudge(file, against=str(swapped))
    for one, inverse in zip(as_registered.verdict.effects, other.verdict.effects, strict=True):
        assert math.isclose(one.ratio * inverse.ratio, 1, rel_tol=1e-12)  # of two exponentials
    assert other.verdict.level is Level.CATASTROPHIC
    text = render_prose(other.verdict)
    assert "Inversion: for novelist, the user's own text beat random tokens by 36.28%." in text
    assert other.notes[1].endswith("as asked for. This text was never locked.")


# --- files that cannot be judged ---------------------------------------------------------------


def paths(content, prefix=()):
    """Every key of nested tables and lists."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield (*prefix, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*prefix, key))


def changed(content, path, *value):
    """A copy with a key at a path set to a value, or without it."""
    copy = deepcopy(content)
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if value:
        inner[path[-1]] = value[0]
    else:
        del inner[path[-1]]
    return copy


WHOLE = result(1.2, 1.2, 1.2)
NEEDED = [
    ("schema",),
    ("bet",),
    ("bet", "id"),
    ("bet", "sha256"),
    ("base",),
    ("base", "name"),
    ("base", "fingerprint"),
    ("users",),
    ("users", 0, "user"),
    ("users", 0, "mean_nll"),
    ("users", 0, "mean_nll", "real"),
    ("users", 0, "mean_nll", "random"),
    ("verdict",),
    ("verdict", "level"),
    ("verdict", "planted"),
]


@pytest.mark.parametrize("path", NEEDED, ids=lambda path: ".".join(map(str, path)))
def test_a_missing_key_is_named(save, path):
    file = save(changed(WHOLE, path))
    with pytest.raises(ResultError) as caught:
        rejudge(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert f"'{path[-1]}'" in str(caught.value)
    assert "\n" not in str(caught.value)


VALUES = [None, "text", 7, -1.5, [], {}, [7], {"a": 7}, True, math.nan]


def replaced(first):
    """Every path of a result file with one of the values, each value by turns."""
    return [(path, VALUES[(first + i) % len(VALUES)]) for i, path in enumerate(paths(WHOLE))]


@pytest.mark.parametrize(
    "first", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, len(VALUES)))]
)
def test_whatever_stands_at_a_key_the_file_is_judged_or_one_message(save, first):
    outcomes = set()
    for path, value in replaced(first):
        try:
            outcomes.add(rejudge(save(changed(WHOLE, path, value))).verdict.level)
        except ResultError as error:
            outcomes.add("error")
            assert "\n" not in str(error)  # noqa: PT017  (of every path, not of one)
    assert "error" in outcomes
    # nothing that is put in place of a figure or a table may raise the level
    assert outcomes <= {"error", Level.LENIENT, Level.NOT_MET}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not JSON"),
        ("not JSON at all", r"not JSON \(Expecting value"),
        ("[1, 2]", r"not a result file \(a JSON list\)"),
        ("null", r"not a result file \(a JSON NoneType\)"),
        (json.dumps(WHOLE | {"schema": 99}), "schema 99; expected 1, 2, 3 or 4"),
        (json.dumps(WHOLE | {"users": []}), "expected each once, at least one"),
        (json.dumps(WHOLE | {"users": WHOLE["users"][:1] * 2}), "expected each once"),
        (json.dumps(changed(WHOLE, ("bet", "id"), "99")), "bet 'bet99': expected bet37 or"),
        (
            json.dumps(changed(WHOLE, ("users", 1, "mean_nll", "real"), math.inf)),
            r"users\[1\]\.mean_nll\.real = inf; expected a finite number",
        ),
    ],
)
def test_a_file_that_is_no_result_is_one_message(tmp_path, content, message):
    path = tmp_path / "result.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ResultError, match=message) as caught:
        rejudge(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_or_not_there_is_one_message(tmp_path):
    path = tmp_path / "adapter.pt"
    path.write_bytes(b"PK\x03\x04\xff")
    with pytest.raises(ResultError, match=r"adapter\.pt: byte 0xff at offset 4; expected UTF-8"):
        rejudge(path)
    with pytest.raises(ResultError, match=r"nix\.json: No such file"):
        rejudge(tmp_path / "nix.json")
    with pytest.raises(ResultError, match="Is a directory"):
        rejudge(tmp_path)
