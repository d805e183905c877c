"""The command: what it refuses, what judging a file again prints, and with which status it ends."""

import json
import os
import re
import subprocess
import sys

import pytest

import pytest_noisefloor
from noisefloor_tests.support.results_by_hand import result
from pytest_noisefloor import cli
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.cli import ExitCode, main

WHOLE = result(1.2, 1.2, 1.2)


def test_the_command_has_status_0_whatever_the_level(save, capsys):
    assert main(["rejudge", str(save(result(0.5, 0.5, 0.5)))]) == 0
    assert "CATASTROPHIC, by points." in capsys.readouterr().out


def test_the_command_judges_the_published_table_and_names_the_inversion(capsys):
    assert main(["rejudge", str(resource_path("published", "bet60.toml"))]) == 0
    printed, errors = capsys.readouterr()
    assert not errors
    rows = [" ".join(line.split()) for line in printed.splitlines()]
    assert "programmer – 6,922 6,525 0.9426 – – random" in rows
    assert any(
        row.startswith(
            "UNREGISTERED LENIENT, by points. STRICT (ratio at least 1.5 on 3 of 3) does"
        )
        for row in rows
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
        (["future.json"], "future.json: schema 99; expected 1, 2, 3 or 4"),
        (["broken.toml"], "broken.toml: not TOML"),
        (["other.toml"], "other.toml: unknown key 'id'; expected bet, source"),
        (["bare.toml"], "bare.toml: key 'source' is missing; expected where it was published"),
    ],
)
def test_the_command_has_one_line_and_status_4_for_every_file_it_cannot_judge(
    save, tmp_path, monkeypatch, capsys, words, message
):
    monkeypatch.chdir(tmp_path)
    save(result(1.2, 1.2, 1.2))
    (tmp_path / "future.json").write_text(json.dumps(WHOLE | {"schema": 99}))
    (tmp_path / "broken.toml").write_text("[")
    (tmp_path / "other.toml").write_text('id = "7"')
    (tmp_path / "bare.toml").write_text('bet = "bet60"')
    assert main(["rejudge", *words]) == 4
    printed, errors = capsys.readouterr()
    assert not printed
    assert errors.startswith(f"error: {message}")
    assert errors.count("\n") == 1


def test_the_command_judges_committed_evidence_also_by_another_bet(capsys):
    evidence = str(resource_path("evidence", "bet60_reference.json"))
    assert main(["rejudge", evidence]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Bet 60: ")
    assert registered_bet("bet60").sha256[:12] in printed.splitlines()[0]
    assert "NOT MET. STRICT" in printed
    assert main(["rejudge", evidence, "--against", str(resource_path("bets", "bet60.toml"))]) == 0
    again = capsys.readouterr().out
    now = registered_bet("bet60").sha256[:12]
    assert f"Judged by 60_norm_only_noise_floor ({now}), as asked for.\n" in again
    assert again.splitlines()[:30] == printed.splitlines()[:30]


def test_judging_imports_no_torch_and_survives_a_terminal_without_our_signs(save):
    """In a process of its own, since this one may have imported anything."""
    file = save(result(1.6, 1.6, 1.6, planted=True))
    program = (
        "import sys; from pytest_noisefloor.cli import main;"
        "code = main(['rejudge', sys.argv[1]]);"
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
    assert "\nPLANTED STRICT, by points. " in done.stdout
    assert done.stdout.endswith("heavy: []\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Missing command"),
        (["fetch"], "No such command 'fetch'"),
        (["judge", "result.json"], "No such command 'judge'"),
        (["download", "--fast"], "--fast"),
        (["rejudge"], "Missing argument 'FILE'"),
        (["rejudge", "a", "b"], "(b)"),
        (["rejudge", "a", "--against"], "--against"),
        (["summary", "a", "b"], "(b)"),
        (["lock"], "Missing argument 'BET'"),
        (["--install-completion"], "--install-completion"),
    ],
)
def test_a_wrong_command_line_is_refused_with_its_usage_and_status_2(capsys, words, message):
    assert main(words) == 2
    printed, errors = capsys.readouterr()
    assert not printed
    assert errors.startswith(("Usage: noisefloor ", "Error: Option"))
    assert message in errors


VERBS = ("download", "check", "rejudge", "summary", "reach", "lock")


@pytest.mark.parametrize("words", [[], *([verb] for verb in VERBS)])
def test_the_help_has_one_sentence_each_and_the_exit_codes(capsys, words):
    assert main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: {' '.join(['noisefloor', *words])} [OPTIONS]")
    assert re.search(r"\n  Exit codes[a-z ]*:\n    0  .+\n    [12]  ", text)
    assert "completion" not in text
    assert "..." not in text.partition("\n")[2]  # a sentence that was cut off
    assert main([*words, "-h"]) == 0
    assert capsys.readouterr().out == text


def test_the_help_names_every_verb_and_every_exit_code(capsys):
    main(["--help"])
    text = capsys.readouterr().out
    commands = text.partition("Commands:")[2]
    assert re.findall(r"^  (\w+)  +[A-Z].*\.$", commands, re.MULTILINE) == [*VERBS]
    assert [int(code) for code in re.findall(r"^    (\d)  ", text, re.MULTILINE)] == [*ExitCode]


def test_the_version_is_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"noisefloor {pytest_noisefloor.__version__}\n"


def test_a_mistake_of_ours_is_a_plain_traceback(monkeypatch):
    def mistaken(*_, **__):
        raise KeyError("ours")

    monkeypatch.setattr(cli.judging, "rejudge_file", mistaken)
    with pytest.raises(KeyError, match="ours"):
        main(["rejudge", "result.json"])


def test_the_module_is_the_same_command_and_its_mistakes_are_plain_tracebacks(tmp_path):
    done = [
        subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        for program, words in (
            ("import runpy; runpy.run_module('pytest_noisefloor', run_name='__main__')", ["-h"]),
            (
                "import sys; from pytest_noisefloor import cli; cli.judging.rejudge_file = None;"
                "sys.exit(cli.main())",
                ["rejudge", "result.json"],
            ),
        )
    ]
    assert done[0].stdout.startswith("Usage: noisefloor [OPTIONS]")
    assert done[0].returncode == 0
    assert done[1].returncode == 1
    assert done[1].stderr.startswith("Traceback (most recent call last):\n")
    assert done[1].stderr.endswith("TypeError: 'NoneType' object is not callable\n")
