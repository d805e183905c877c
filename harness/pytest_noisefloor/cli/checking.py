"""``noisefloor check``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from pytest_noisefloor.report import applied_json, render_applied
from pytest_noisefloor.specs import Scoring

from .app import ExitCode, app, exits

CHECKED_TOKENS = 2048
"""The first tokens of a slice that are scored, unless all are asked for."""

CHECK_CODES = """\b
Exit codes:
  0  every adapter is applied; with --users, some are shown to help, and to be their users'
  1  an adapter is not applied, is shown to harm, or looks like another user's
  2  the command line is wrong
  3  something cannot be told, or is not shown
  4  the adapters or the base cannot be used
"""


@app.command(epilog=CHECK_CODES)
def check(
    adapters: Annotated[
        Path,
        typer.Argument(
            metavar="ADAPTERS",
            show_default=False,
            help="A PEFT folder, with adapter_config.json and adapter_model.safetensors; or a "
            "folder that holds one for each user.",
        ),
    ],
    *,
    base: Annotated[
        str,
        typer.Option(
            metavar="BASE",
            show_default=False,
            help="The base that they were trained on: a folder with config.json and safetensors "
            "weights, or a hub id.",
        ),
    ],
    users: Annotated[
        str | None,
        typer.Option(
            metavar="USERS",
            help="Whose adapters they are: a folder of users, named as the adapters' folders are. "
            "Then their held-out texts are scored too.",
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Score whole slices, not the first 2,048 tokens of each."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Check that given adapters are applied, and whose they are.

    They were trained elsewhere. Each is put into the base by PEFT. Its names, values and modules
    are looked at, and whether the base's output changes through every tensor that it names. With
    --users each adapter is scored on each user's held-out text.
    """
    from pytest_noisefloor.data import load_users
    from pytest_noisefloor.models import State, check_applied, find_adapters, open_base
    from pytest_noisefloor.runs import match_users, score_given

    with exits(ExitCode.NOT_JUDGED):
        given, opened = find_adapters(adapters), open_base(base)
        owners = None if users is None else match_users(given, load_users(users))
        with _bar(len(given), "checked") as bar:
            found = []
            for one in check_applied(opened, given):
                found.append(one)
                bar.update()
        scored = None
        if owners is not None and all(one.usable for one in found):
            scoring = Scoring(tokens=sys.maxsize if everything else CHECKED_TOKENS)
            with _bar(len(given), "scored") as bar:
                scored = score_given(opened, given, owners, scoring, bar.update)
    shown = applied_json if as_json else render_applied
    print(shown(base, found, scored))
    states = {one.state for one in found}
    if State.FAILED in states or (scored is not None and scored.failed):
        raise typer.Exit(ExitCode.NOT_OK)
    if State.UNCLEAR in states or (scored is not None and scored.unclear):
        raise typer.Exit(ExitCode.INCONCLUSIVE)


def _bar(adapters: int, done: str) -> tqdm[None]:
    """How many adapters are done, on a terminal alone."""
    return tqdm(total=adapters, desc=done, unit="adapter", leave=False, disable=None)
