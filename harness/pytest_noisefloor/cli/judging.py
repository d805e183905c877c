"""``noisefloor rejudge`` and ``noisefloor summary``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pytest_noisefloor.report import NO_MATPLOTLIB, can_draw, render, summarise
from pytest_noisefloor.results import rejudge as rejudge_file

from .app import ExitCode, app, exits

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
    with exits(ExitCode.NOT_JUDGED):
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
    with exits(ExitCode.NOT_JUDGED):
        text = summarise(folder)
    print(text, end="")
    if not can_draw():
        print(NO_MATPLOTLIB)
