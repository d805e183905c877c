"""The verb ``reach``: what it prints, with which status it ends, and what it refuses."""

import re
from pathlib import Path

import pytest

from noisefloor_tests.support import planted
from pytest_noisefloor.cli import main
from pytest_noisefloor.runs.worker import Worker

pytestmark = pytest.mark.usefixtures("tiny")

BET = Path(planted.__file__).with_name("planted.toml")


@pytest.fixture(scope="module")
def place(tmp_path_factory, write_users):
    """A folder with two users, whose store keeps what was measured."""
    folder = tmp_path_factory.mktemp("reach")
    write_users(folder / "users", "ann", "bob")
    return folder


@pytest.fixture
def run(place):
    """Run the verb on the tiny base, and return its status."""

    def run(*words, bet=BET, users=place / "users"):
        given = ["--bet", str(bet), "--base", "tiny", "--users", str(users), "--out", str(place)]
        return main(["reach", *given, *words])

    return run


def at_rate(folder, rate):
    path = folder / f"{rate}.toml"
    path.write_text(BET.read_text(encoding="utf-8").replace("lr = 0.06", f"lr = {rate}"), "utf-8")
    return path


def test_lenient_out_of_reach_is_status_3_and_the_second_time_nothing_is_measured(
    run, capsys, monkeypatch
):
    assert run() == 3
    first, progress = capsys.readouterr()
    rows = first.splitlines()
    assert rows[0].startswith("PLANTED, proves the machinery alone: Bet planted: Planted effects")
    assert rows[2].startswith(
        "Base tiny, method norm-only, AdamW, lr 0.06, 6 steps of 4 × 64 tokens"
    )
    assert rows[2].endswith("r = rate × steps = 0.36")
    assert [row.split()[0] for row in rows[6:8]] == ["ann", "bob"]
    assert "LENIENT (2 needed) is out of reach: its bar is above the ceiling for 2 of 2." in first
    # whichever test here is the first scores the untrained base too
    assert re.search("ann, (untrained|step of 0.09): scoring a", progress)
    monkeypatch.setattr(Worker, "_loaded", property(lambda _: pytest.fail("a model was loaded")))
    assert run() == 3
    again, progress = capsys.readouterr()
    assert again == first
    assert not progress


def test_lenient_not_out_of_reach_is_status_0(run, place, capsys):
    """At a hundred times the rate the ceiling says nothing."""
    assert run(bet=at_rate(place, 6.0)) == 0
    assert "Whether LENIENT (2 needed) is within reach is not known" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bet", "bet99"], "bet 'bet99': expected bet37 or"),
        (["--bet", "nowhere.toml"], "nowhere.toml: No such file"),
        (["--bet", "bet60-why-vocabulary"], "Bet 60-why-vocabulary: counts each pair of slices by"),
        (["--base", "nowhere"], "base 'nowhere': expected tiny, reference"),
        (["--users", "nowhere"], "nowhere: no such folder"),
        (["--device", "mps"], "device 'mps': not available here"),
    ],
)
def test_input_that_cannot_be_used_is_one_line_and_status_4(run, capsys, words, message):
    assert run(*words) == 4
    printed, errors = capsys.readouterr()
    assert not printed
    assert errors.startswith(f"error: {message}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "tpu"], "'tpu': expected one of auto, mps, cuda, cpu"),
        (["--out", str(BET)], "is a file"),
        (["--steps", "3"], "--steps"),
    ],
)
def test_a_wrong_command_line_is_status_2(run, capsys, words, message):
    assert run(*words) == 2
    assert message in capsys.readouterr().err


def test_an_interruption_keeps_what_is_done(run, place, capsys, monkeypatch):
    def interrupted(self, *_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "score", interrupted)
        assert run(bet=at_rate(place, 0.5)) not in (0, 3)
    printed, errors = capsys.readouterr()
    assert not printed
    assert "interrupted: what is finished is kept; the same command goes on" in errors
    assert run(bet=at_rate(place, 0.5)) in (0, 3)
