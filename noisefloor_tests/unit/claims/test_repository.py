"""Which claims a repository makes: in every claims file that git does not ignore."""

import os
import shutil
import subprocess

import pytest

from noisefloor_tests.support.claims_planted import entry, lock_own_bet
from pytest_noisefloor.claims.claim import load_claims
from pytest_noisefloor.claims.repository import repository_of

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


def git(folder, *words):
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)  # noqa: S607


@pytest.fixture
def place(tmp_path):
    """A git work tree with a claims file of one claim, ``x``, in a folder of its own."""
    git(tmp_path, "init", "-q")
    return write(tmp_path, "own/claims.toml", entry("x", "LENIENT"))


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if isinstance(text, str) and "[[claim]]" in text:
        lock_own_bet(path.parent)
    return path


def found(file):
    return repository_of(file, load_claims(file))


def ids(file):
    assert found(file).unknown == ()
    return [one.id for one in found(file).claims]


def test_claims_in_tracked_and_untracked_files_everywhere_in_the_tree_are_found(place, tmp_path):
    write(tmp_path, "tracked.toml", entry("tracked", "NOT_MET"))
    git(tmp_path, "add", "tracked.toml")
    write(tmp_path, "deep/er/ü claims.toml", entry("untracked", "NOT_MET"))
    assert ids(place) == ["x", "untracked", "tracked"]


def test_what_git_ignores_and_what_is_no_longer_there_makes_no_claims(place, tmp_path):
    write(tmp_path, ".gitignore", "build/")
    write(tmp_path, "build/claims.toml", entry("ignored", "NOT_MET"))
    write(tmp_path, "gone.toml", entry("gone", "NOT_MET"))
    git(tmp_path, "add", "gone.toml")
    (tmp_path / "gone.toml").unlink()
    assert ids(place) == ["x"]


def test_the_one_file_is_read_though_git_ignores_it(place, tmp_path):
    write(tmp_path, ".gitignore", "own/")
    assert ids(place) == ["x"]


def test_outside_of_git_there_is_one_file(tmp_path):
    file = write(tmp_path, "claims.toml", entry("x", "LENIENT"))
    write(tmp_path, "other.toml", entry("y", "LENIENT"))
    assert ids(file) == ["x"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[claim",
        b"\xff\xfe\x00claim",
        "claim = 7",
        'claim = ["bet", "asserts", "evidence"]',
        "claim = []",
        '[claim]\nbet = "bet60"',
        '[[claim]]\nbet = "an insurance"\namount = 7',
        "a = " + "[" * 5000,
    ],
    ids=range(9),
)
def test_other_programs_files_are_left_alone(place, tmp_path, text):
    write(tmp_path, "strange.toml", text)
    assert ids(place) == ["x"]


def test_links_to_nowhere_and_to_folders_are_left_alone(place, tmp_path):
    (tmp_path / "nowhere.toml").symlink_to("not-there")
    (tmp_path / "folder.toml").symlink_to(".")
    (tmp_path / "same.toml").symlink_to(place)
    assert ids(place) == ["x"]


def test_a_claims_file_that_cannot_be_read_is_not_passed_over(place, tmp_path):
    """Or one wrong key would hide its claims."""
    broken = write(tmp_path, "broken.toml", entry("y", "LENIENT", colour="red"))
    repository = found(place)
    assert [one.id for one in repository.claims] == ["x"]
    (why,) = repository.unknown
    assert why.startswith(f"{broken}: claim 'y': unknown key 'colour'")


@pytest.mark.parametrize("name", ["git", "none"])
def test_a_tree_that_git_does_not_list_is_said_so(place, tmp_path, monkeypatch, name):
    """It refuses, or is not installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tool = write(folder, name, "#!/bin/sh\necho 'fatal: dubious ownership' >&2\nexit 128\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    (why,) = found(place).unknown
    assert why.startswith(f"{place.parent}: the repository's files cannot be listed (")
    assert ("dubious ownership" in why) == (name == "git")


def test_a_hook_of_gits_own_changes_nothing(place, tmp_path, monkeypatch):
    """It sets the folder of its repository, by which the folder of the file would be the tree."""
    write(tmp_path, "other.toml", entry("y", "NOT_MET"))
    monkeypatch.setenv("GIT_DIR", os.fspath(tmp_path / ".git"))
    assert ids(place) == ["x", "y"]
