"""Git tells whether a bet's text was committed before the result that was made under it."""

import json
import os
import shutil

import pytest

from noisefloor_tests.support.repositories import Repository
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.results import committed as module
from pytest_noisefloor.results.committed import commit_order
from pytest_noisefloor.results.files import read_file
from pytest_noisefloor.results.rejudging import rejudge

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")

OLD, TEXT = "0" * 64, "a" * 64
BEFORE = "The bet's text was committed before this file was ("
AFTER = "The bet's text was committed after this file was ("
UNKNOWN = "Whether the bet's text was committed before this file cannot be told: "


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


def text(repository, sha256=TEXT, folder="bets/locked"):
    return repository.commit(f"{folder}/{sha256}.toml", "a bet")


def result(repository, sha256=TEXT, content=""):
    return repository.commit("evidence/result.json", f'"{sha256}" {content}')


def order(repository, sha256=TEXT):
    return commit_order(repository.folder / "evidence" / "result.json", sha256)


def test_a_text_that_was_committed_first_is_said_with_both_commits(repository):
    first, _, second = text(repository), repository.commit("x", ""), result(repository)
    found = order(repository)
    assert str(found) == f"{BEFORE}{first}; {second})."
    assert not found.wrong


def test_a_result_that_was_committed_first_is_said_to_be(repository):
    second, first = result(repository), text(repository)
    found = order(repository)
    assert str(found) == f"{AFTER}{first}; {second})."
    assert found.wrong


def test_committing_the_result_again_makes_no_earlier_lock(repository):
    result(repository)
    text(repository)
    result(repository, content="trained again, from the store")
    assert order(repository).wrong


def test_a_result_that_was_renewed_under_an_amended_text_counts_from_then(repository):
    text(repository, OLD)
    result(repository, OLD)
    amended = text(repository)
    renewed = result(repository)
    assert str(order(repository)) == f"{BEFORE}{amended}; {renewed})."


def test_a_folder_of_locked_texts_may_move(repository):
    first, second = text(repository, folder="locked"), result(repository)
    repository.git("mv", "locked", "moved")
    repository.git("commit", "-m", "move")
    assert str(order(repository)) == f"{BEFORE}{first}; {second})."


def unknown_together(repository):
    repository.write("locked/" + f"{TEXT}.toml", "a bet")
    commit = result(repository)
    return f"both were first committed together ({commit})"


def unknown_without_text(repository):
    result(repository)
    return f"locked/{TEXT[:12]}….toml is not committed here"


def unknown_without_file(repository):
    text(repository)
    repository.write("evidence/result.json", f'"{TEXT}"')
    return "this file is not committed"


def unknown_under_this_text(repository):
    result(repository, OLD)
    text(repository)
    repository.write("evidence/result.json", f'"{TEXT}"')
    return "this file is not committed"


def unknown_without_commits(repository):
    repository.write("evidence/result.json", f'"{TEXT}"')
    return "this file is not committed"


def unknown_on_branches(repository):
    repository.commit("x", "")
    repository.git("branch", "other")
    first = text(repository)
    repository.git("switch", "other")
    second = result(repository)
    repository.git("merge", "main", "-m", "merge")
    return f"they were committed on different branches ({first}; {second})"


@pytest.mark.parametrize(
    "made",
    [
        unknown_together,
        unknown_without_text,
        unknown_without_file,
        unknown_under_this_text,
        unknown_without_commits,
        unknown_on_branches,
    ],
)
def test_what_git_cannot_tell_is_said_with_the_reason(repository, made):
    why = made(repository)
    found = order(repository)
    assert str(found) == f"{UNKNOWN}{why}."
    assert not found.wrong


def test_a_shallow_clone_cannot_tell(repository, tmp_path):
    result(repository)
    text(repository)
    assert order(repository).wrong
    clone = tmp_path / "clone"
    repository.git("clone", "--depth=1", repository.folder.as_uri(), str(clone))
    found = commit_order(clone / "evidence" / "result.json", TEXT)
    assert str(found) == f"{UNKNOWN}the clone is shallow."
    assert not found.wrong


def test_outside_a_work_tree_and_without_git_nothing_is_said(repository, tmp_path, monkeypatch):
    assert commit_order(tmp_path / "result.json", TEXT) is None
    assert commit_order(repository.folder / ".git" / "config", TEXT) is None
    result(repository)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert order(repository) is None


def test_a_git_that_does_not_answer_is_not_waited_for(repository, tmp_path, monkeypatch):
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(module, "TIMEOUT_S", 0.05)
    assert str(order(repository)) == f"{UNKNOWN}git took longer than 0.05 s."


def test_a_hook_of_another_repository_does_not_mislead(repository, tmp_path, monkeypatch):
    text(repository)
    result(repository)
    elsewhere = Repository(tmp_path / "elsewhere")
    monkeypatch.setenv("GIT_DIR", str(elsewhere.folder / ".git"))
    assert str(order(repository)).startswith(BEFORE)


def test_rejudge_says_it_last(repository, floor):
    path = repository.folder / "result.json"
    path.write_text(json.dumps(floor.content))
    assert rejudge(path).notes[-1] == f"{UNKNOWN}this file is not committed."


def test_the_shipped_bets_were_committed_before_their_evidence():
    path = resource_path("evidence", "bet46_reference.json")
    found = commit_order(path, read_file(path)["bet"]["sha256"])
    if found is None or found.unknown:
        pytest.skip("no whole clone of this repository")
    assert str(found) == f"{BEFORE}6115f4b, 2026-11-24; 4558078, 2026-11-24)."
