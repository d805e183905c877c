"""What a person sees of a long work: on a terminal one line, in a file lines that end."""

import io

import pytest

from pytest_noisefloor.runs import progress
from pytest_noisefloor.runs.progress import ProgressBar


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _no_pause_between_lines(monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_INTERVAL_S", 0.0)


def work(bar):
    """Two runs of two steps, the first scored."""
    with bar.watch(runs=2, cost=6):
        bar.begin("ann, real", new_runs=1)
        bar.advance(1, "step 1 of 2, loss 3.100")
        bar.write("one at a time")
        bar.advance(1, "step 2 of 2, loss 3.000")
        bar.begin("ann, real: scoring letters", new_runs=0)
        bar.advance(2)
        bar.begin("ann, random", new_runs=1)
        bar.advance(1, "step 1 of 2, loss 9.000")
        bar.advance(1, "step 2 of 2, loss 8.000")


def test_in_a_file_each_state_is_a_line_that_ends_so_that_a_log_shows_it():
    stream = io.StringIO()
    work(ProgressBar(stream))
    text = stream.getvalue()
    assert text.endswith("\n")
    assert not {"\r", "\x1b"} & set(text)
    assert "one at a time" in text.splitlines()
    shown = [line for line in text.splitlines() if "gone" in line]
    assert [line.partition(" |")[0] for line in shown[-5:]] == [
        "run 1 of 2: ann, real",
        "run 1 of 2: ann, real",
        "run 1 of 2: ann, real: scoring letters",
        "run 2 of 2: ann, random",
        "run 2 of 2: ann, random",
    ]
    assert shown[-1].endswith("left, step 2 of 2, loss 8.000")


def test_on_a_terminal_the_line_is_written_over_and_cleared_at_the_end():
    stream = Terminal()
    work(ProgressBar(stream))
    first, *_, last = stream.getvalue().split("\r")
    assert (first, last) == ("\n", "")
    assert "one at a time\n" in stream.getvalue()
    assert stream.getvalue().count("\n") == 2


def test_several_runs_at_once_are_counted_as_such():
    stream = io.StringIO()
    bar = ProgressBar(stream)
    with bar.watch(runs=3, cost=3):
        bar.begin("ann, real and 1 more", new_runs=2)
        bar.advance(2)
        bar.begin("bob, real", new_runs=1)
        bar.advance(1)
    assert "runs 1–2 of 3: ann, real and 1 more |" in stream.getvalue()
    assert "run 3 of 3: bob, real |" in stream.getvalue()


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_an_interruption_says_that_nothing_is_lost(kind):
    stream = kind()
    with pytest.raises(KeyboardInterrupt), ProgressBar(stream).watch(runs=1, cost=1):
        raise KeyboardInterrupt
    assert "interrupted: what is finished is kept" in stream.getvalue()


def test_without_a_stream_nothing_is_shown_and_all_else_works(capfd):
    work(ProgressBar())
    assert capfd.readouterr() == ("", "")


class Full(io.StringIO):
    """A file on a full disk, or a pipe that nobody reads any more."""

    error = OSError(28, "No space left on device")

    def write(self, _):
        raise self.error


class FullTerminal(Full, Terminal):
    """The same as a terminal."""


@pytest.mark.parametrize("stream", [Full, FullTerminal])
def test_a_line_that_cannot_be_written_ends_no_run(stream):
    work(ProgressBar(stream()))


class Closed(Full):
    """A stream that somebody closed."""

    error = ValueError("I/O operation on closed file")


def test_a_stream_that_somebody_closed_ends_no_run():
    work(ProgressBar(Closed()))


def test_a_message_is_written_once_with_and_without_a_bar():
    stream = io.StringIO()
    bar = ProgressBar(stream)
    for _ in range(2):
        bar.write("said before")
    with bar.watch(runs=0, cost=1):
        for _ in range(2):
            bar.write("said within")
            bar.write("said before")
    assert stream.getvalue().count("said before") == 1
    assert stream.getvalue().count("said within") == 1
