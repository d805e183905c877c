"""The progress bar that a person sees while adapters train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

PLAIN_INTERVAL_S = 15.0
"""Seconds between two lines if the output is a file, not a terminal."""


class _Forgiving:
    """Passes what is written on, until writing fails: a full disk or a closed pipe ends no run."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self._terminal = stream.isatty()

    def write(self, text: str) -> None:
        self._try(lambda stream: stream.write(text))

    def flush(self) -> None:
        self._try(lambda stream: stream.flush())

    def isatty(self) -> bool:
        return self._terminal

    def _try(self, act: Callable[[TextIO], object]) -> None:
        if self._stream is not None:
            try:
                act(self._stream)
            except (OSError, ValueError):  # the latter if it is closed
                self._stream = None


class _Lines:
    """Writes each state of the bar as a line of its own, for output that is not a terminal.

    A CI log shows a line only when it ends. A bar that redraws one line would stay invisible there
    until the session ends.
    """

    def __init__(self, stream: _Forgiving) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        if shown := text.strip():
            self._stream.write(f"{shown}\n")

    def flush(self) -> None:
        self._stream.flush()


class ProgressBar:
    """Shows which run is under way, of how many, with its step, its loss and the time left.

    Without a stream it shows nothing. Processes that share a terminal each get a ``line``.
    """

    def __init__(self, stream: TextIO | None = None, *, line: int = 0) -> None:
        self._stream = None if stream is None else _Forgiving(stream)
        self._line = line
        self._bar: tqdm[None] | None = None
        self._run = self._runs = 0
        self._said: set[str] = set()

    @contextmanager
    def watch(self, *, runs: int, cost: int) -> Iterator[None]:
        """Show a bar for work of ``cost`` tokens, among it ``runs`` adapters to train."""
        self._run, self._runs = 0, runs
        if self._stream is None:
            yield
            return
        terminal = self._stream.isatty()
        self._stream.write("\n")
        self._bar = tqdm(
            total=cost,
            file=self._stream if terminal else _Lines(self._stream),
            mininterval=0.2 if terminal else PLAIN_INTERVAL_S,
            miniters=0,  # redraw by time alone, so that short work after long work is shown too
            bar_format="{desc}|{bar:12}| {elapsed} gone, {remaining} left{postfix}",
            leave=False,
            position=self._line if terminal else 0,
            dynamic_ncols=terminal,
        )
        try:
            yield
        except KeyboardInterrupt:
            self._stream.write(
                "\ninterrupted: what is finished is kept; the same command goes on\n"
            )
            raise
        finally:
            self._bar.close()
            self._bar = None

    def begin(self, label: str, *, new_runs: int) -> None:
        """Show what is being made from now on, and which of the runs it is."""
        first, self._run = self._run + 1, self._run + new_runs
        if self._bar is not None:
            which = f"runs {first}–{self._run}" if new_runs > 1 else f"run {self._run}"
            count = f"{which} of {self._runs}: " if self._run else ""
            self._bar.set_description_str(f"{count}{label} ", refresh=False)
            self._bar.set_postfix_str("", refresh=self._bar.n == 0)

    def write(self, text: str) -> None:
        """Write a message that stays above the bar, once."""
        if self._bar is None and self._stream is not None and text not in self._said:
            self._stream.write(f"{text}\n")
        elif self._bar is not None and text not in self._said:
            self._bar.write(text, file=self._stream)
        self._said.add(text)

    def advance(self, cost: int, detail: str = "") -> None:
        """Count work of ``cost`` tokens as done; ``detail`` is shown behind the bar."""
        if self._bar is not None:
            if detail:
                self._bar.set_postfix_str(detail, refresh=False)
            self._bar.update(cost)
