"""``noisefloor lock``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pytest_noisefloor.bets import append_to_lock, check_copy, check_lockable

from .app import ExitCode, app, exits

LOCK_CODES = """\b
Exit codes:
  0  the text of BET is locked, now or before
  2  the command line is wrong, or the reason is missing
  4  BET is no bet, or cannot be locked; nothing is written
"""


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
    with exits(ExitCode.NOT_JUDGED):
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
    with exits(ExitCode.NOT_JUDGED):
        entry = append_to_lock(found, reason)
    print(f"{found.path}: {entry}")
    print(f"Registered for the texts of {', '.join(found.bet.users)}.")
    for one in found.bet.refused:
        print(f"Refused: {one.user}: {one.why}")
