"""Options and their ini twins: typed, refused with a reason, the command line before the file."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_noisefloor.plugin import options
from pytest_noisefloor.plugin.options import Settings, read_settings
from pytest_noisefloor.specs import DEFAULT_BASE

SEEDS = "different whole numbers of 0 or more, as 0,1,2"
DEVICES = "one of auto, mps, cuda, cpu"
USERS = "no such folder; expected 'shipped', or a folder with <user>/train.txt and <user>/heldout/"

BET = "no such file; expected a registered bet, as bet60, or a bet file"

MISTAKES = [
    ("bet", "", BET),
    ("bet", "nowhere.toml", BET),
    ("seeds", "a", SEEDS),
    ("seeds", "0,0", SEEDS),
    ("seeds", "-1", SEEDS),
    ("seeds", "0,,1", SEEDS),
    ("seeds", "1.5", SEEDS),
    ("device", "tpu", DEVICES),
    ("device", "CPU", DEVICES),
    ("device", "", DEVICES),
    ("matmul", "float16", "one of float32, bfloat16"),
    ("users", "nowhere", USERS),
    ("users", "file.txt", USERS),
    ("base", " ", "a name"),
    ("out", "", "a folder"),
    ("out", "file.txt", "a folder"),
]


@pytest.fixture
def project(pytester):
    """A project with one test that passes, a file and a folder."""
    pytester.makepyfile("def test_passes(): pass")
    pytester.path.joinpath("file.txt").write_text("no folder")
    pytester.mkdir("texts")
    return pytester


def refused(result, message):
    """Whether a session ended at its start, with one line."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [f"ERROR: {message}"]
    return True


@pytest.mark.parametrize(("name", "value", "expected"), MISTAKES)
def test_a_bad_value_is_refused_on_the_command_line(project, name, value, expected):
    result = project.runpytest_inprocess(f"--noisefloor-{name}={value}")
    assert refused(result, f"--noisefloor-{name} (or noisefloor_{name}) = {value!r}: {expected}")


@pytest.mark.parametrize(("name", "value", "expected"), MISTAKES)
def test_a_bad_value_is_refused_in_the_ini_file(project, name, value, expected):
    project.makepyprojecttoml(f"[tool.pytest]\nnoisefloor_{name} = {value!r}")
    result = project.runpytest_inprocess()
    assert refused(result, f"--noisefloor-{name} (or noisefloor_{name}) = {value!r}: {expected}")


@pytest.mark.parametrize("option", ["--noisefloor-out", "--noisefloor-users"])
def test_a_path_without_an_equals_sign_is_refused_before_it_moves_the_rootdir(project, option):
    result = project.runpytest_inprocess(option, "texts")
    message = f"write {option}=texts: with '=', or pytest moves its rootdir"
    assert refused(result, message)


def test_words_may_be_paths_as_pytests_own_main_takes_them(tmp_path):
    """Asked of the check alone: pytester makes text of them."""
    words = [tmp_path, Path("test_mine.py"), "-q"]
    options._refuse_detached_paths(SimpleNamespace(invocation_params=SimpleNamespace(args=words)))


def settings(project, *words):
    """What a session with these words on its command line would use."""
    return read_settings(project.parseconfigure(*words))


def test_without_options_the_registered_setting_holds(project):
    assert settings(project) == Settings(
        bet="bet60",
        base=DEFAULT_BASE,
        users="shipped",
        device="auto",
        seeds=None,
        matmul=None,
        out=project.path,
    )


def test_every_option_has_an_ini_twin(project):
    project.path.joinpath("own.toml").write_text("")
    given = {
        "bet": "own.toml",
        "base": "tiny",
        "users": "texts",
        "device": "cpu",
        "seeds": "2,0",
        "matmul": "bfloat16",
        "out": "here",
    }
    by_words = settings(project, *(f"--noisefloor-{k}={v}" for k, v in given.items()))
    lines = [f"noisefloor_{name} = {value!r}" for name, value in given.items()]
    project.makepyprojecttoml("\n".join(["[tool.pytest]", *lines]))
    assert settings(project) == by_words
    assert by_words == Settings(
        bet=str(project.path / "own.toml"),
        base="tiny",
        users=str(project.path / "texts"),
        device="cpu",
        matmul="bfloat16",
        seeds=(2, 0),
        out=project.path / "here",
    )


def test_the_command_line_comes_before_the_ini_file(project):
    project.makepyprojecttoml(
        "[tool.pytest]\nnoisefloor_seeds = '1,2'\nnoisefloor_base = 'tiny'\nnoisefloor_users = 'x'"
    )
    found = settings(project, "--noisefloor-seeds=7", "--noisefloor-users=shipped")
    assert (found.seeds, found.base, found.users) == ((7,), "tiny", "shipped")


def test_empty_seeds_on_the_command_line_are_those_of_the_bet(project):
    project.makepyprojecttoml("[tool.pytest]\nnoisefloor_seeds = '1,2'")
    assert settings(project, "--noisefloor-seeds=").seeds is None


def test_paths_of_an_ini_file_are_seen_from_it_and_those_of_the_command_line_from_here(
    project, monkeypatch
):
    """As pytest reads its own ``testpaths`` and ``--junit-xml``."""
    project.makepyprojecttoml(
        "[tool.pytest]\nnoisefloor_users = 'texts'\nnoisefloor_out = 'runs'\n"
        "noisefloor_base = 'texts+ternary'"
    )
    below = project.mkdir("below")
    monkeypatch.chdir(below)
    found = settings(project)
    assert (found.users, found.out) == (str(project.path / "texts"), project.path / "runs")
    assert found.base == f"{project.path / 'texts'}+ternary"
    below.joinpath("mine").mkdir()
    found = settings(project, "--noisefloor-users=mine", "--noisefloor-out=mine")
    assert (found.users, found.out) == (str(below / "mine"), below / "mine")


def test_a_path_may_begin_at_home(project, monkeypatch):
    monkeypatch.setenv("HOME", str(project.path))
    found = settings(project, "--noisefloor-users=~/texts", "--noisefloor-out=~/runs")
    assert (found.users, found.out) == (str(project.path / "texts"), project.path / "runs")


def test_help_shows_every_option_with_its_default(project):
    text = " ".join(" ".join(project.runpytest_inprocess("--help").outlines).split())
    assert "--noisefloor-base=BASE base to train on: " in text
    assert f"(default: {DEFAULT_BASE})" in text
    assert "(default: those of the bet)" in text
    assert text.count("--noisefloor-") == 9
