"""The command itself: its exit codes, and how it ends."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Annotated

import typer

from pytest_noisefloor import __version__
from pytest_noisefloor._files import refusal
from pytest_noisefloor.errors import NoisefloorError


class ExitCode(IntEnum):
    """The exit codes of every verb. Typer itself ends a wrong command line with USAGE."""

    OK = 0
    NOT_OK = 1
    USAGE = 2
    INCONCLUSIVE = 3
    NOT_JUDGED = 4


EXIT_CODES = """\b
Exit codes of all commands:
  0  as it should be
  1  not as it should be: the download failed, or an adapter is not applied
  2  the command line is wrong
  3  inconclusive or out of reach
  4  a file cannot be judged or locked, or other input cannot be used
"""

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,  # a mistake of ours is a plain traceback
    rich_markup_mode=None,  # plain text is the same in every terminal and log
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code.

    A ``NoisefloorError`` is one message on standard error. Any other exception passes through.

    Args:
        argv: the arguments after the program's name. None means those of this process.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may lack × or Δ
    try:
        app(args=argv and [*argv], prog_name="noisefloor")
    except SystemExit as end:  # typer ends every command so
        return int(end.code or 0)
    return 0


@contextmanager
def exits(status: ExitCode) -> Iterator[None]:
    """Print the error of a user's input as one message, and end the command with a status."""
    try:
        yield
    except (NoisefloorError, OSError) as error:
        print("error:", refusal(error) if isinstance(error, OSError) else error, file=sys.stderr)
        raise typer.Exit(status) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"noisefloor {__version__}")
        raise typer.Exit


@app.callback(epilog=EXIT_CODES)
def noisefloor(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Check that an adapter learned its user: every step that needs no pytest session."""
