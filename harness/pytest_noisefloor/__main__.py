"""The command line: ``python -m pytest_noisefloor <command>``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import sources
from .errors import NoisefloorError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; those of this process if None.

    Returns:
        The exit status: 0, or 1 with one message on standard error.
    """
    parser = argparse.ArgumentParser(prog="python -m pytest_noisefloor", description=__doc__)
    commands = parser.add_subparsers(title="commands", metavar="<command>", required=True)

    fetch = commands.add_parser("fetch", help="download the text and the base that the suite reads")
    fetch.set_defaults(run=lambda _: sources.fetch())

    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except NoisefloorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
