"""The command: what it refuses, what judging a file again prints, and with which status it ends."""

import json
import os
import subprocess
import sys

import pytest

from noisefloor_tests.support.results_by_hand import result
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.cli import main

WHOLE = result(1.2, 1.2, 1.2)


def test_the_command_has_status_0_whatever_the_level(save, capsys):
    assert main(["judge", str(save(result(0.5, 0.5, 0.5)))]) == 0
    assert "CATASTROPHIC." in capsys.readouterr().out


def test_the_command_judges_the_published_table_and_names_the_inversion(capsys):
    assert main(["judge", str(resource_path("published", "bet60.toml"))]) == 0
    printed, errors = capsys.readouterr()
    assert not errors
    rows = [" ".join(line.split()) for line in printed.splitlines()]
    assert "programmer – 6,922 6,525 0.9426 – – random" in rows
    assert any(
        row.startswith("LENIENT. STRICT (ratio at least 1.5 on 3 of 3) does") for row in rows
    )
    assert "Inversion: for programmer, random tokens beat the user's own text by 6.08%." in printed
    assert rows[-1] == "The source's own verdict, LENIENT, agrees."


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.json"], "nowhere.json: No such file or directory"),
        (["result.json", "--against", "bet99"], "bet 'bet99': expected bet37 or"),
        (["result.json", "--against", "nowhere.toml"], "nowhere.toml: No such file or directory"),
        (["result.json", "--against", "broken.toml"], "broken.toml: not TOML"),
        (
            ["result.json", "--against", "other.toml"],
            "other.toml: key 'name' is missing; expected the",
        ),
        (["future.json"], "future.json: schema 99; expected 1, 2 or 3"),
        (["broken.toml"], "broken.toml: not TOML"),
        (["other.toml"], "other.toml: unknown key 'id'; expected bet, source"),
        (["bare.toml"], "bare.toml: key 'source' is missing; expected where it was published"),
    ],
)
def test_the_command_has_one_line_and_status_2_for_every_bad_input(
    save, tmp_path, monkeypatch, capsys, words, message
):
    monkeypatch.chdir(tmp_path)
    save(result(1.2, 1.2, 1.2))
    (tmp_path / "future.json").write_text(json.dumps(WHOLE | {"schema": 99}))
    (tmp_path / "broken.toml").write_text("[")
    (tmp_path / "other.toml").write_text('id = "7"')
    (tmp_path / "bare.toml").write_text('bet = "bet60"')
    assert main(["judge", *words]) == 2
    printed, errors = capsys.readouterr()
    assert not printed
    assert errors.startswith(f"error: {message}")
    assert errors.count("\n") == 1


def test_the_command_judges_committed_evidence_also_by_another_bet(few_resamples, capsys):
    evidence = str(resource_path("evidence", "bet60_reference.json"))
    assert main(["judge", evidence]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Bet 60: ")
    assert registered_bet("bet60").sha256[:12] in printed.splitlines()[0]
    assert "NOT MET. STRICT" in printed
    assert main(["judge", evidence, "--against", str(resource_path("bets", "bet60.toml"))]) == 0
    again = capsys.readouterr().out
    now = registered_bet("bet60").sha256[:12]
    assert f"Judged by 60_norm_only_noise_floor ({now}), as asked for.\n" in again
    assert again.splitlines()[:30] == printed.splitlines()[:30]


def test_the_command_without_a_file_is_refused_with_its_usage(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["judge"])
    assert caught.value.code == 2
    usage = "usage: noisefloor judge [-h] [--against BET] FILE"
    assert usage in capsys.readouterr().err


def test_judging_imports_no_torch_and_survives_a_terminal_without_our_signs(save):
    """In a process of its own, since this one may have imported anything."""
    file = save(result(1.6, 1.6, 1.6, planted=True))
    program = (
        "import sys; from pytest_noisefloor.cli import main;"
        "code = main(['judge', sys.argv[1]]);"
        "print('heavy:', sorted({'torch', 'transformers'} & sys.modules.keys())); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        encoding="ascii",
        check=True,
    )
    assert done.stdout.startswith("PLANTED, proves the machinery alone: Bet 60")
    assert "\nPLANTED STRICT. " in done.stdout
    assert done.stdout.endswith("heavy: []\n")


@pytest.mark.parametrize("words", [[], ["fetsch"], ["fetch", "--fast"]])
def test_the_command_line_refuses_what_it_does_not_know(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: noisefloor" in capsys.readouterr().err
