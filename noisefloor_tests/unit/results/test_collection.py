"""The collection: a row for every bet and base, judged again, and what is left out."""

import json

import pytest

from noisefloor_tests.support.results_by_hand import found, noise_floor, part, save
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.lock import lock_entries
from pytest_noisefloor.results.collection import (
    NOT_RUN,
    collection_rows,
    read_collection,
    registered_bets,
)
from pytest_noisefloor.results.files import ResultError

FILE = "60_norm_only_noise_floor.json"
pytestmark = pytest.mark.usefixtures("bets_read_once")


@pytest.fixture
def row(tmp_path):
    """A function: the row of a bet on a base, from what lies in the folder."""

    def row(bet="60", base="reference"):
        read = collection_rows(read_collection(tmp_path))
        (one,) = (row for row in read if (row["bet"], row["base"]) == (bet, base))
        return one

    return row


# --- rows ---------------------------------------------------------------------------------------


def test_every_registered_bet_has_its_row_in_the_order_of_its_number(tmp_path, floor):
    save(tmp_path, floor)
    read = collection_rows(read_collection(tmp_path))
    ids = list(dict.fromkeys(row["bet"] for row in read))
    assert len(ids) == len(list(resource_path("bets").glob("*.toml")))
    assert ids == [bet.id for bet in registered_bets()]
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
    assert found_row["reach"] == "not known"
    assert found_row["marks"] == []


def test_the_committed_evidence_has_intervals_and_its_reach(tmp_path, row):
    (tmp_path / "results").mkdir()
    evidence = resource_path("evidence", "bet60_reference.json").read_bytes()
    (tmp_path / "results" / FILE).write_bytes(evidence)
    found_row, said = row(), json.loads(evidence)["users"]
    least = min(said, key=lambda user: user["ratio"])
    assert found_row["least"]["unit"] == least["user"]
    low, high = found_row["least"]["interval"]
    assert low < least["ratio"] < high
    assert found_row["reach"] == "out of this recipe's reach"


def test_a_level_is_judged_again_and_a_file_that_says_another_is_marked(tmp_path, floor, row):
    save(tmp_path, part(floor, "verdict", level="STRICT"))
    assert row()["level"] == "NOT_MET"
    assert row()["marks"] == ["the file says STRICT"]


def test_a_file_that_was_edited_is_marked(tmp_path, floor, row):
    floor.content["users"][0]["mean_nll"]["real"] = 2.0
    save(tmp_path, floor)
    assert row()["marks"] == ["seal broken"]


def test_a_file_of_before_there_were_seals_is_not_taken_for_an_edited_one(tmp_path, row):
    (tmp_path / "results").mkdir()
    content = json.loads(resource_path("evidence", "bet60_reference.json").read_bytes())
    del content["seal"]
    (tmp_path / "results" / FILE).write_text(json.dumps(content), encoding="utf-8")
    assert row()["marks"] == []


def test_a_result_of_an_older_text_or_other_seeds_is_marked(tmp_path, row):
    older = lock_entries("bet60.toml", resource_path("bets", "LOCK"))[0].sha256
    one = found("bet60", noise_floor(), seeds=[0, 1])
    save(tmp_path, part(one, "bet", sha256=older))
    assert row()["sha256"] == older
    assert row()["marks"] == ["made under an older text", "other seeds than registered"]


def test_a_result_of_a_text_that_only_lacked_the_users_texts_is_not_marked(tmp_path, floor, row):
    older = lock_entries("bet60.toml", resource_path("bets", "LOCK"))[1].sha256
    save(tmp_path, part(floor, "bet", sha256=older))
    assert row()["marks"] == []


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
    bases = [
        row["base"] for row in collection_rows(read_collection(tmp_path)) if row["bet"] == "60"
    ]
    assert bases == ["reference", "smollm2-135m", base]


@pytest.mark.parametrize("base", ["organisation/model-360M", "organisation/v2-0.5B", "models/b1"])
def test_a_base_whose_name_does_not_say_so_leaves_larger_ones_not_run(tmp_path, base):
    save(tmp_path, found("bet60", noise_floor(), base=base))
    bases = [
        row["base"] for row in collection_rows(read_collection(tmp_path)) if row["bet"] == "60"
    ]
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
    save(tmp_path, found("bet60", noise_floor(users=("ann", "bob", "cy"))), "others.json")
    save(tmp_path, found("bet60", noise_floor(users=("programmer", "novelist"))), "fewer.json")
    for name, text in {"timings": '{"machine": {}}', "rows": "[]", "mine": '{"schema": 3}'}.items():
        (tmp_path / "results" / f"{name}.json").write_text(text)
    read = read_collection(tmp_path)
    assert [*read.found] == [("60", "reference")]
    assert read.left_out == {
        "PLANTED": 1,
        "UNREGISTERED": 6,
        "of a bet that is not shipped": 1,
        "of another program": 3,
    }


def test_a_row_without_its_date_is_a_broken_file(tmp_path, floor, row):
    del floor.content["times"]["written"]
    save(tmp_path, floor)
    with pytest.raises(ResultError, match=f"{FILE}: times: key 'written' is missing; expected"):
        row()


def test_two_results_of_one_bet_on_one_base_are_refused_with_both_names(tmp_path, floor):
    first, second = save(tmp_path, floor), save(tmp_path / "again", floor)
    with pytest.raises(ResultError) as caught:
        read_collection(tmp_path)
    assert str(caught.value) == (
        f"{second}: a second result of Bet 60 on reference, beside {first}; expected one"
    )
