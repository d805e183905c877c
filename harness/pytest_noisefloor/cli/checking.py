"""``noisefloor check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from pytest_noisefloor.report import applied_json, render_applied

from .app import ExitCode, app, exits

CHECK_CODES = """\b
Exit codes:
  0  every adapter is applied
  1  an adapter is not applied as its files say
  2  the command line is wrong
  3  of an adapter something cannot be told
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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Check that adapters which others trained are applied.

    Nothing is trained, and no text is needed. Each adapter is put into the base by PEFT. Its names,
    values and modules are looked at, and whether the base's output changes through every tensor
    that it names.
    """
    from pytest_noisefloor.models import State, check_applied, find_adapters, open_base

    with exits(ExitCode.NOT_JUDGED):
        given = find_adapters(adapters)
        checked = check_applied(open_base(base), given)
        # a terminal alone shows how far it is
        found = [*tqdm(checked, total=len(given), unit="adapter", leave=False, disable=None)]
    print(applied_json(base, found) if as_json else render_applied(found))
    states = {one.state for one in found}
    if State.FAILED in states:
        raise typer.Exit(ExitCode.NOT_OK)
    if State.UNCLEAR in states:
        raise typer.Exit(ExitCode.INCONCLUSIVE)
