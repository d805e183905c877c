"""What the operating system refuses is one line with the file, and nothing finished is lost."""

import errno
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_noisefloor import _files, cli
from pytest_noisefloor._files import SystemRefusal, disk, read_bytes, refusal, write_atomically
from pytest_noisefloor.bets.registry import open_bet
from pytest_noisefloor.data.users import load_users
from pytest_noisefloor.errors import BetError, NoisefloorError
from pytest_noisefloor.plugin.session import explained
from pytest_noisefloor.results.files import read_file, write_result
from pytest_noisefloor.runs.request import Request


def failing(number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


EXPECTED = {
    errno.ENOSPC: "No space left on device; free some space; what is finished is kept",
    errno.EDQUOT: "Disk quota exceeded; free some space",
    errno.EROFS: "Read-only file system; expected a place that this user may read and write",
    errno.EACCES: "Permission denied; expected a place",
    errno.EMFILE: r"Too many open files; raise the limit of open files \(ulimit -n\)",
    errno.EMLINK: "Too many links; expected a file with fewer links",
    errno.ENAMETOOLONG: "File name too long; expected a shorter name",
    errno.EIO: "Input/output error$",
}


@pytest.mark.parametrize("number", EXPECTED, ids=errno.errorcode.get)
@pytest.mark.parametrize("step", ["mkstemp", "fsync", "replace"])
def test_a_write_that_is_refused_is_one_line_and_leaves_the_old_file_alone(
    tmp_path, monkeypatch, number, step
):
    path = tmp_path / "kept.json"
    write_atomically(path, b"old")
    place = {"mkstemp": disk.tempfile, "fsync": os, "replace": Path}[step]
    monkeypatch.setattr(place, step, failing(number))
    with pytest.raises(SystemRefusal, match=f"^{path}: {EXPECTED[number]}"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["kept.json"]


def test_a_file_where_a_folder_should_be_is_one_line(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(SystemRefusal, match="expected a folder where a file is"):
        write_atomically(tmp_path / "results" / "a.json", b"")


def test_an_error_without_a_file_or_a_number_is_still_one_line():
    assert str(refusal(OSError("no such thing"))) == "no such thing"
    assert str(refusal(OSError(errno.ENOSPC, "full", "/a/b"))).startswith("/a/b: full; free some")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE], ids=errno.errorcode.get)
def test_a_refusal_in_the_middle_of_a_run_loses_nothing_that_is_finished(
    new_runner, ann, tmp_path, monkeypatch, number
):
    requests = [Request(ann, arm) for arm in ("real", "random")]
    runner = new_runner(tmp_path, stack_size=1)
    runner.complete(requests[:1])
    before = {kind: runner.store.keys(kind) for kind in ("adapters", "scores")}
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(SystemRefusal, match=f"^{tmp_path}.*: {os.strerror(number)}; "):
        runner.complete(requests)
    monkeypatch.undo()
    assert {kind: runner.store.keys(kind) for kind in before} == before
    runner.complete(requests)
    assert len(runner.store.keys("adapters")) == 2


def test_a_store_that_cannot_be_locked_is_one_line(new_runner, ann, tmp_path):
    runner = new_runner(tmp_path)
    (tmp_path / "locks").write_text("a file")
    with pytest.raises(
        NoisefloorError, match=r"locks/.*\.lock: .*; expected a folder where a file"
    ):
        runner.complete([Request(ann, "untrained"), Request(ann, "real")])


def test_what_no_message_of_ours_foresees_is_one_line_in_pytest_and_on_the_command_line(
    monkeypatch, capsys, tmp_path
):
    fail = failing(errno.ENOSPC)
    with pytest.raises(pytest.fail.Exception, match=r"^No space left on device; free some space"):
        explained(fail)
    monkeypatch.setattr(cli.judging, "rejudge_file", fail)
    assert cli.main(["rejudge", str(tmp_path / "a.json")]) == cli.ExitCode.NOT_JUDGED
    said = capsys.readouterr().err
    assert said.startswith("error: No space left on device; free some space")
    assert said.count("\n") == 1


# --- what is no regular file ------------------------------------------------------------------


READERS = {
    "bet": (open_bet, "bet.toml"),
    "result": (lambda path: read_file(Path(path)), "result.json"),
    "published table": (lambda path: read_file(Path(path)), "published.toml"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_pipe_or_folder_in_place_of_a_file_is_refused_and_never_waited_for(
    tmp_path, reader, kind
):
    read, name = READERS[reader]
    path = tmp_path / name
    os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises(NoisefloorError, match=r"no regular file|Is a directory|no such file"):
        read(str(path))


@pytest.mark.parametrize("name", ["train.txt", "heldout/a.txt"])
def test_a_pipe_among_a_users_texts_is_refused(write_users, tmp_path, name):
    folder = write_users(tmp_path, "ann")
    path = folder / "ann" / name
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(NoisefloorError, match=rf"^{path}: "):
        load_users(folder)


# --- encodings --------------------------------------------------------------------------------


def bet_in(tmp_path, content):
    path = tmp_path / "bet.toml"
    path.write_bytes(content)
    return path


def test_a_bet_with_a_byte_order_mark_is_the_same_bet(own):
    plain = open_bet(str(own))
    own.write_bytes(b"\xef\xbb\xbf" + own.read_bytes())
    marked = open_bet(str(own))
    assert replace(marked, sha256="", registration=plain.registration) == replace(plain, sha256="")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_file_in_another_encoding_says_which(tmp_path, encoding):
    path = bet_in(tmp_path, 'id = "a"'.encode(encoding))
    with pytest.raises(BetError, match=rf"^{path}: in {encoding.upper()}; expected UTF-8$"):
        _files.read_toml(path)
    with pytest.raises(NoisefloorError, match=f"in {encoding.upper()}; expected UTF-8"):
        read_file(path.rename(tmp_path / "a.json"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'id = "\xe9"', "byte 0xe9 at offset 6; expected UTF-8"),
        (b'id = "\x00"', "a null at character 6; expected text"),
    ],
    ids=["latin-1", "null"],
)
def test_bytes_that_are_no_text_are_named_with_their_place(tmp_path, content, said):
    path = bet_in(tmp_path, content)
    with pytest.raises(BetError, match=f"^{path}: {said}$"):
        _files.read_toml(path)


def test_a_name_with_a_null_is_one_line(tmp_path):
    with pytest.raises(BetError, match="embedded null byte; expected a path"):
        read_bytes(tmp_path / "a\0b")


# --- left over --------------------------------------------------------------------------------


def test_what_a_killed_write_left_is_swept_a_day_later_and_a_live_one_never(tmp_path, monkeypatch):
    old, young = (tmp_path / f"{disk.TEMPORARY}{name}" for name in ("old", "young"))
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - disk.ABANDONED_S - 60,) * 2)
    write_atomically(tmp_path / "a.json", b"new")
    assert {file.name for file in tmp_path.iterdir()} == {young.name, "a.json"}


# --- read-only --------------------------------------------------------------------------------


RESULT = {"schema": 4, "verdict": {"level": "NOT_MET"}, "times": {"s": 1.0}, "seal": "a"}


def test_a_result_that_is_there_already_need_not_be_written_again(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_result(path, RESULT)
    monkeypatch.setattr(disk.tempfile, "mkstemp", failing(errno.EROFS))
    write_result(path, RESULT | {"times": {"s": 2.0}, "seal": "b"})
    with pytest.raises(SystemRefusal, match="Read-only file system"):
        write_result(path, RESULT | {"verdict": {"level": "LENIENT"}})
    with pytest.raises(SystemRefusal, match="Read-only file system"):
        write_result(tmp_path / "other.json", RESULT)


def test_a_finished_verdict_is_shown_again_from_a_folder_that_nobody_may_write(
    planted_experiment, monkeypatch, without_reach
):
    vars(planted_experiment).pop("verdict", None)  # another test may have had it with reach
    level = planted_experiment.verdict.level
    vars(planted_experiment).pop("verdict")
    monkeypatch.setattr(disk.tempfile, "mkstemp", failing(errno.EROFS))
    assert planted_experiment.verdict.level is level


# --- names that are too long ------------------------------------------------------------------


def test_a_name_too_long_for_a_file_is_refused_before_anything_trains(
    planted_experiment, tmp_path, monkeypatch
):
    long = replace(planted_experiment.users[0], name="a" * 250)
    experiment = type(planted_experiment)(
        bet=planted_experiment.bet,
        runner=planted_experiment.runner,
        users=[long],
        seeds=(0,),
        out=tmp_path,
    )
    monkeypatch.setattr(type(experiment.runner), "complete", failing(errno.EIO))
    with pytest.raises(NoisefloorError, match=r"^user 'a+': .* a name of 2\d\d bytes; expected at"):
        assert experiment.verdict


# --- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["bet", "users", "out", "claims", "base"])
@pytest.mark.parametrize("value", ["~nosuchuser/x.toml", ""])
def test_an_option_that_is_no_path_is_one_line(pytester, option, value):
    pytester.makepyfile("def test_nothing(): pass")
    found = pytester.runpytest_inprocess(f"--noisefloor-{option}={value}", "-p", "no:randomly")
    said = [line for line in found.outlines + found.errlines if "noisefloor" in line]
    assert not any("Traceback" in line or "INTERNALERROR" in line for line in said)
    if option != "base":  # a base may be a hub id, which nothing asks for here
        assert found.ret == pytest.ExitCode.USAGE_ERROR
        assert any(f"--noisefloor-{option}" in line for line in said)


@pytest.mark.parametrize("words", [["rejudge", "~nosuchuser/a.json"], ["summary", "~nosuchuser"]])
def test_a_path_on_the_command_line_that_leads_nowhere_is_one_line(words, capsys):
    assert cli.main(words) != 0
    assert "Traceback" not in capsys.readouterr().err


def test_a_pytest_that_would_collect_the_claims_file_alone_is_refused_at_start(
    pytester, monkeypatch
):
    pytester.makepyfile("def test_nothing(): pass")
    monkeypatch.setattr(pytest, "version_tuple", (8, 4, 2))
    monkeypatch.setattr(pytest, "__version__", "8.4.2")
    found = pytester.runpytest_inprocess("-p", "no:randomly")
    assert found.ret == pytest.ExitCode.USAGE_ERROR
    found.stderr.fnmatch_lines(["ERROR: pytest 8.4.2: expected 9.0 or later, since an older one*"])
