"""The roll-up: a row for every bet and base, judged again, and nothing written by halves."""

import json

import numpy as np
import pytest

from noisefloor_tests.instrument.test_comparisons import confusion, formats
from noisefloor_tests.results_by_hand import found, noise_floor, save, sealed
from pytest_noisefloor import catalogue, pictures
from pytest_noisefloor.__main__ import main
from pytest_noisefloor.catalogue import NOT_RUN, Found, read_catalogue, registered_bets, rows
from pytest_noisefloor.data import data_path
from pytest_noisefloor.lock import lock_entries
from pytest_noisefloor.results import ResultError
from pytest_noisefloor.tally import CELL, pack

FILE = "60_norm_only_noise_floor.json"


def changed(one, **more):
    """A result with other content, its seal made anew."""
    return Found(one.path, sealed(one.content | more), one.verdict, ())


def part(one, key, **more):
    return changed(one, **{key: one.content[key] | more})


@pytest.fixture
def floor():
    return found("bet60", noise_floor())


@pytest.fixture
def row(tmp_path):
    """A function: the row of a bet on a base, from what lies in the folder."""

    def row(bet="60", base="reference"):
        read = rows(read_catalogue(tmp_path))
        (one,) = (row for row in read if (row["bet"], row["base"]) == (bet, base))
        return one

    return row


BETS = registered_bets()


@pytest.fixture(autouse=True)
def no_pictures_and_bets_read_once(monkeypatch):
    """Most tests want no pictures, whatever is installed; reading every bet takes 50 ms."""
    monkeypatch.setattr(pictures, "available", lambda: False)
    monkeypatch.setattr(catalogue, "registered_bets", lambda: BETS)


# --- rows ---------------------------------------------------------------------------------------


def test_every_registered_bet_has_its_row_in_the_order_of_its_number(tmp_path, floor):
    save(tmp_path, floor)
    read = rows(read_catalogue(tmp_path))
    ids = list(dict.fromkeys(row["bet"] for row in read))
    assert len(ids) == len(list(data_path("bets").glob("*.toml")))
    assert ids == [bet.id for bet in BETS]
    assert ids.index("37") < ids.index("46") < ids.index("60") < ids.index("60-full")
    assert ids.index("60-why-harm") < ids.index("61") < ids.index("63-01") < ids.index("63-10")
    assert {row["base"] for row in read if row["bet"] == "52"} == {"reference+ternary"}
    larger = ["reference", "smollm2-135m", "1B and more (a hub id)"]
    for scaled in ("60", "61"):
        assert [row["base"] for row in read if row["bet"] == scaled] == larger
    assert [row["base"] for row in read if row["bet"] == "49"] == ["reference"]
    assert [row["level"] for row in read].count(NOT_RUN) == len(read) - 1


def test_a_row_says_what_came_out(tmp_path, row):
    nll = noise_floor(1.2)
    nll["novelist"]["random"] = 3.9
    save(tmp_path, found("bet60", nll))
    found_row = row()
    assert found_row["level"] == "LENIENT"
    assert found_row["least"]["unit"] == "novelist"
    assert found_row["largest"]["ratio"] == pytest.approx(1.2)
    assert found_row["met"] == {"CATASTROPHIC": 1, "LENIENT": 2, "STRICT": 0}
    assert (found_row["units"], found_row["rests_on_harm"]) == (3, ["LENIENT"])
    assert found_row["reach"] == found_row["reach_by_help"] == "unknown"
    assert found_row["marks"] == []


def test_the_committed_evidence_has_intervals_and_its_reach(tmp_path, row, few_resamples):
    (tmp_path / "results").mkdir()
    evidence = data_path("evidence", "bet60_reference.json").read_bytes()
    (tmp_path / "results" / FILE).write_bytes(evidence)
    found_row, said = row(), json.loads(evidence)["users"]
    least = min(said, key=lambda user: user["ratio"])
    assert found_row["least"]["unit"] == least["user"]
    low, high = found_row["least"]["interval"]
    assert low < least["ratio"] < high
    assert found_row["reach"] == found_row["reach_by_help"] == "out of reach"


def test_a_level_is_judged_again_and_a_file_that_says_another_is_marked(tmp_path, floor, row):
    save(tmp_path, part(floor, "verdict", level="STRICT"))
    assert row()["level"] == "NOT_MET"
    assert row()["marks"] == ["the file says STRICT"]


def test_a_file_that_was_edited_is_marked(tmp_path, floor, row):
    floor.content["users"][0]["mean_nll"]["real"] = 2.0
    save(tmp_path, floor)
    assert row()["marks"] == ["seal broken"]


def test_a_result_of_an_older_text_other_users_or_seeds_is_marked(tmp_path, row):
    older = lock_entries("bet60.toml", data_path("bets", "LOCK"))[0].sha256
    one = found("bet60", noise_floor(users=("ann", "bob")), seeds=[0, 1])
    save(tmp_path, part(one, "bet", sha256=older))
    assert row()["sha256"] == older
    assert row()["marks"] == [
        "made under an older text",
        "other users than registered",
        "other seeds than registered",
    ]


# --- bases ------------------------------------------------------------------------------------


def test_results_of_other_bases_lie_one_folder_down(tmp_path, floor, row):
    save(tmp_path, floor)
    save(tmp_path / "ternary", found("bet60", noise_floor(), base="reference+ternary"))
    save(tmp_path / "small", found("bet60", noise_floor(), base="smollm2-135m"))
    assert row(base="smollm2-135m")["level"] == "NOT_MET"
    assert row(base="reference+ternary")["level"] == "NOT_MET"
    assert row()["level"] == "NOT_MET"


@pytest.mark.parametrize("base", ["organisation/Model-1.7B", "organisation/model-1b-base", "7B"])
def test_a_base_whose_name_says_1b_or_more_is_one_of_the_larger(tmp_path, base):
    save(tmp_path, found("bet60", noise_floor(), base=base))
    bases = [row["base"] for row in rows(read_catalogue(tmp_path)) if row["bet"] == "60"]
    assert bases == ["reference", "smollm2-135m", base]


@pytest.mark.parametrize("base", ["organisation/model-360M", "organisation/v2-0.5B", "models/b1"])
def test_a_base_whose_name_does_not_say_so_leaves_larger_ones_not_run(tmp_path, base):
    save(tmp_path, found("bet60", noise_floor(), base=base))
    bases = [row["base"] for row in rows(read_catalogue(tmp_path)) if row["bet"] == "60"]
    assert bases == ["reference", "smollm2-135m", base, "1B and more (a hub id)"]


# --- what is no result of a registered bet ------------------------------------------------------


def test_what_is_planted_unregistered_or_no_result_is_left_out_and_counted(tmp_path, floor):
    save(tmp_path, floor)
    save(tmp_path, part(floor, "verdict", planted=True), "PLANTED_60.json")
    save(tmp_path, floor, "UNREGISTERED_60.json")
    save(tmp_path, part(floor, "bet", id="99"), "99.json")
    save(tmp_path, part(floor, "bet", sha256="0" * 64), "own.json")
    save(tmp_path, part(floor, "recipe", matmul="bfloat16"), "bf16.json")
    save(tmp_path, part(floor, "scoring", noise=0.1), "noise.json")
    for name, text in {"timings": '{"machine": {}}', "rows": "[]", "mine": '{"schema": 3}'}.items():
        (tmp_path / "results" / f"{name}.json").write_text(text)
    read = read_catalogue(tmp_path)
    assert [*read.found] == [("60", "reference")]
    assert read.left_out == {"PLANTED": 1, "UNREGISTERED": 5, "of another program": 3}


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
    assert printed == f"{text}{pictures.MISSING}\n"
    assert not list(tmp_path.glob("results/*.png"))
    assert "\nLeft out: 1 PLANTED.\n" in printed
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert lines[2].startswith("| bet | title | base | level | ratio, least to largest |")
    assert (
        "| 60 | Norm-only noise floor | reference | NOT_MET | 1.0100 (programmer) | 0 of 3 | "
        "unknown | unknown | no | 2026-11-24 | 66c414e55d6f | |"
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
    assert {row["bet"] for row in content["bets"]} == {bet.id for bet in BETS}
    assert {*content["bases"]["reference"]} == {"ladder", "matrix", "budget", "pareto"}
    assert main(["summary", str(tmp_path)]) == 0  # its own files are no results
    assert capsys.readouterr().out == printed


def test_the_command_writes_the_pictures_that_there_are_results_for(tmp_path, floor, monkeypatch):
    """Drawing itself is proved elsewhere."""
    drawn = {"png": b"a picture", "svg": b"another"}
    monkeypatch.setattr(pictures, "available", lambda: True)
    monkeypatch.setattr(pictures, "draw_ladders", lambda _: drawn)
    monkeypatch.setattr(pictures, "draw_budget", lambda _: drawn)
    save(tmp_path, floor)
    assert main(["summary", str(tmp_path)]) == 0
    written = {path.name for path in (tmp_path / "results").iterdir()}
    assert written == {FILE, "SUMMARY.md", "SUMMARY.json", "ladder.png", "ladder.svg"}
    assert (tmp_path / "results" / "ladder.png").read_bytes() == b"a picture"
    assert "\n![ladder.png](ladder.png)\n" in (tmp_path / "results" / "SUMMARY.md").read_text()
    save(tmp_path, found("bet60-long", noise_floor()))
    assert main(["summary", str(tmp_path)]) == 0
    assert (tmp_path / "results" / "budget.svg").read_bytes() == b"another"


def by_cell(seeds):
    """Bet 46 with two slices of a cell each, whose own text wins in all but the last seed."""
    means = {
        f"programmer, seed {seed}, {piece}": {
            "untrained": 4.0,
            "real": 3.9,
            "full/real": 3.95 + at / 10 - (seed == seeds - 1) * 0.2,
            "oracle": 3.5,
        }
        for seed in range(seeds)
        for at, piece in enumerate(("core", "tools"))
    }
    rows = [
        {
            "user": "programmer",
            "unit": unit,
            "seed": int(unit.split(", ")[1].removeprefix("seed ")),
            "slices": [
                {
                    "slice": unit.rpartition(", ")[2],
                    "tokens": CELL,
                    "sums": {label: pack(np.array([[CELL * x]])) for label, x in of.items()},
                }
            ],
        }
        for unit, of in means.items()
    ]
    return found("bet46", means, rows=rows, cell=CELL, seeds=[0, 1, 2, 3, 4])


def test_a_bet_by_cell_has_its_signs_their_test_and_the_split_of_the_variance(tmp_path, capsys):
    save(tmp_path, by_cell(5))
    assert main(["summary", str(tmp_path)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "| programmer | core | `++++-` |" in lines
    assert "| programmer | tools | `++++-` |" in lines
    assert "No cell has a standard error of its own." in lines
    said = "8 cells above 0, 2 below: p = 0.11 (exact two-sided sign test). Cells share users,"
    assert any(line.startswith(said) for line in lines)
    assert "| slice | 0.005 | 0.0707 | 38% | 0.025 | 1 |" in lines
    assert "| seed | 0.008 | 0.0894 | 62% | 0.016 | 4 |" in lines
    content = json.loads((tmp_path / "results" / "SUMMARY.json").read_text(encoding="utf-8"))
    cells = content["bases"]["reference"]["cells"]["46"]
    assert cells["sign_test"]["p"] == pytest.approx(2 * (1 + 10 + 45) / 2**10)
    assert [part["name"] for part in cells["variance"]] == ["slice", "seed", "left"]
    assert (len(cells["delta"]), cells["no_variance"]) == (10, "")


def test_a_bet_by_cell_whose_variance_cannot_be_split_says_why(tmp_path, capsys):
    save(tmp_path, by_cell(1))
    assert main(["summary", str(tmp_path)]) == 0
    said = "\nNo split of the variance: fewer than two slices or seeds.\n"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('{"schema": 2, "bet": {}}', "key 'verdict' is missing"),
        ('{"schema": 2, "verdict": {"planted": false}, "bet": 60}', "not a result file"),
    ],
)
def test_a_broken_file_is_one_line_and_nothing_is_written(tmp_path, floor, capsys, text, message):
    save(tmp_path, floor)
    broken = tmp_path / "results" / "61_confusion_matrix.json"
    broken.write_text(text)
    assert main(["summary", str(tmp_path)]) == 2
    printed, errors = capsys.readouterr()
    assert not printed
    assert errors.startswith(f"error: {broken}: {message}")
    assert errors.count("\n") == 1
    assert sorted(path.name for path in broken.parent.iterdir()) == [FILE, broken.name]


def test_a_row_without_its_date_is_a_broken_file(tmp_path, floor, row):
    save(tmp_path, changed(floor, times={}))
    with pytest.raises(ResultError, match=f"{FILE}: key 'written' is missing"):
        row()


def test_two_results_of_one_bet_on_one_base_are_refused_with_both_names(tmp_path, floor):
    first, second = save(tmp_path, floor), save(tmp_path / "again", floor)
    with pytest.raises(ResultError) as caught:
        read_catalogue(tmp_path)
    assert str(caught.value) == (
        f"{second}: a second result of Bet 60 on reference, beside {first}; expected one"
    )


def test_a_folder_without_results_is_refused(tmp_path, capsys):
    assert main(["summary", str(tmp_path / "nowhere")]) == 2
    assert f"{tmp_path / 'nowhere' / 'results'}: no result file" in capsys.readouterr().err
