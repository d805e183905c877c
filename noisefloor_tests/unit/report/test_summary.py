"""The roll-up: what a folder's results say together, and nothing written by halves."""

import json

import pytest

from noisefloor_tests.support.results_by_hand import (
    by_cell,
    changed,
    confusion,
    formats,
    found,
    noise_floor,
    part,
    registered_for,
    save,
)
from pytest_noisefloor import cli
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.cli import main
from pytest_noisefloor.report import figures
from pytest_noisefloor.results import collection
from pytest_noisefloor.results.collection import registered_bets

FILE = "60_norm_only_noise_floor.json"
pytestmark = pytest.mark.usefixtures("bets_read_once")


def can_draw(monkeypatch, can):
    for place in (figures, cli.judging):
        monkeypatch.setattr(place, "can_draw", lambda: can)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Most tests want none, whatever is installed."""
    can_draw(monkeypatch, False)


# --- the command --------------------------------------------------------------------------------


def test_the_command_writes_what_it_prints_and_the_same_as_json(tmp_path, monkeypatch, capsys):
    for one in (found("bet60", noise_floor()), confusion(), formats()):
        times = {"written": "2026-11-24T12:00:00+00:00"} | one.content["times"]
        save(tmp_path, changed(one, times=times))
    save(tmp_path, found("bet60-long", noise_floor()))
    save(tmp_path, part(found("bet60", noise_floor()), "verdict", planted=True), "PLANTED_60.json")
    monkeypatch.chdir(tmp_path)
    assert main(["summary"]) == 0
    printed, errors = capsys.readouterr()
    assert not errors
    text = (tmp_path / "results" / "SUMMARY.md").read_text(encoding="utf-8")
    assert printed == f"{text}{figures.NO_MATPLOTLIB}\n"
    assert not list(tmp_path.glob("results/*.png"))
    assert "\nLeft out: 1 PLANTED.\n" in printed
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert lines[2].startswith(
        "| bet | title | base | level | STRICT, LENIENT, CATASTROPHIC | ratio,"
    )
    assert (
        "| 60 | Norm-only noise floor | reference | NOT_MET | ratio at least 1.5 on all users; "
        "ratio at least 1.1 on 2/3 of the users; ratio below 1 on 2/3 of the users | "
        "1.0100 (programmer) | 0 of 3 | "
        f"not known | no | 2026-11-24 | {registered_bet('bet60').sha256[:12]} | |"
    ) in lines
    assert "| random | +0.01005, – | +0.01005, – | +0.01005, – |" in lines
    assert "| unigram | not run | not run | not run |" in lines
    assert "| novelist | 27.1126 (+0.0000) | 148.413 (-0.2000) | 492.749 (-0.2000) |" in lines
    assert (
        "| 0.05 | 5e-05 | 1000 | 60-long | novelist | 1.0100 | 0.9900 | 1.0202 | 1.0408 |"
    ) in lines
    assert (
        "| full | 10,000,000 | 40,000,000 | 50.0 | 3.85000 | 3.85000 | 3.85000 | lora-r4 |"
    ) in lines
    content = json.loads((tmp_path / "results" / "SUMMARY.json").read_text(encoding="utf-8"))
    assert content["left_out"] == {"PLANTED": 1}
    assert {row["bet"] for row in content["bets"]} == {bet.id for bet in registered_bets()}
    assert {*content["bases"]["reference"]} == {"ladder", "matrix", "budget", "pareto"}
    assert main(["summary", str(tmp_path)]) == 0  # its own files are no results
    assert capsys.readouterr().out == printed


def test_the_command_writes_the_pictures_that_there_are_results_for(tmp_path, floor, monkeypatch):
    """Drawing itself is proved elsewhere."""
    drawn = {"png": b"a picture", "svg": b"another"}
    can_draw(monkeypatch, True)
    monkeypatch.setattr(figures, "draw_ladders", lambda _: drawn)
    monkeypatch.setattr(figures, "draw_budget", lambda _: drawn)
    save(tmp_path, floor)
    assert main(["summary", str(tmp_path)]) == 0
    written = {path.name for path in (tmp_path / "results").iterdir()}
    assert written == {FILE, "SUMMARY.md", "SUMMARY.json", "ladder.png", "ladder.svg"}
    assert (tmp_path / "results" / "ladder.png").read_bytes() == b"a picture"
    assert "\n![ladder.png](ladder.png)\n" in (tmp_path / "results" / "SUMMARY.md").read_text()
    save(tmp_path, found("bet60-long", noise_floor()))
    assert main(["summary", str(tmp_path)]) == 0
    assert (tmp_path / "results" / "budget.svg").read_bytes() == b"another"


@pytest.fixture
def save_cells(tmp_path, monkeypatch, every_bet):
    """Save a result of Bet 46 on two slices, which it is then registered for."""

    def save_cells(seeds):
        one = by_cell(seeds)
        monkeypatch.setattr(collection, "registered_bets", lambda: registered_for(one, every_bet))
        save(tmp_path, one)

    return save_cells


def test_a_bet_by_cell_has_its_signs_their_counts_and_the_split_of_the_variance(
    save_cells, tmp_path, capsys
):
    save_cells(5)
    assert main(["summary", str(tmp_path)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "| programmer | core | `++++-` |" in lines
    assert "| programmer | tools | `++++-` |" in lines
    assert "No cell has a standard error of its own." in lines
    said = "8 cells above 0, 2 below. Cells share users, texts and adapters"
    assert any(line.startswith(said) for line in lines)
    assert "| slice | 0.005 | 0.0707 | 38% | 0.025 | 1 |" in lines
    assert "| seed | 0.008 | 0.0894 | 62% | 0.016 | 4 |" in lines
    content = json.loads((tmp_path / "results" / "SUMMARY.json").read_text(encoding="utf-8"))
    cells = content["bases"]["reference"]["cells"]["46"]
    assert cells["counts"] == {"above": 8, "below": 2, "ties": 0}
    assert [part["name"] for part in cells["variance"]] == ["slice", "seed", "left"]
    assert (len(cells["delta"]), cells["no_variance"]) == (10, "")


def test_a_bet_by_cell_whose_variance_cannot_be_split_says_why(save_cells, tmp_path, capsys):
    save_cells(1)
    assert main(["summary", str(tmp_path)]) == 0
    said = "\nNo split of the variance: fewer than two slices or seeds.\n"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('{"schema": 2, "bet": {}}', "bet: key 'id' is missing; expected the bet's id"),
        ('{"schema": 2, "bet": 60}', "bet = 60; expected a table with id, name, title"),
        ('{"schema": 5, "bet": {}}', "schema 5; expected 1, 2, 3 or 4"),
    ],
)
def test_a_broken_file_is_one_line_and_nothing_is_written(tmp_path, floor, capsys, text, message):
    save(tmp_path, floor)
    broken = tmp_path / "results" / "61_confusion_matrix.json"
    broken.write_text(text)
    assert main(["summary", str(tmp_path)]) == 4
    printed, errors = capsys.readouterr()
    assert not printed
    assert errors.startswith(f"error: {broken}: {message}")
    assert errors.count("\n") == 1
    assert sorted(path.name for path in broken.parent.iterdir()) == [FILE, broken.name]


def test_a_folder_without_results_is_refused(tmp_path, capsys):
    assert main(["summary", str(tmp_path / "nowhere")]) == 4
    assert f"{tmp_path / 'nowhere' / 'results'}: no result file" in capsys.readouterr().err
