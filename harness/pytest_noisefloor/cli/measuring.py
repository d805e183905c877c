"""``noisefloor reach``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pytest_noisefloor.bets import Forecast, Outcome, open_bet
from pytest_noisefloor.report import render_forecast
from pytest_noisefloor.specs import DEVICES, SHARED_OPTIONS

from .app import ExitCode, app, exits

REACH_CODES = """\b
Exit codes:
  0  LENIENT is not out of reach
  2  the command line is wrong
  3  LENIENT is out of reach
  4  the bet, the base, the users or the device cannot be used
"""


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
    with exits(ExitCode.NOT_JUDGED):
        forecast = _forecast(bet, base, users, device, out)
    print(render_forecast(forecast))
    if forecast.lenient_reach is Outcome.OUT:
        raise typer.Exit(ExitCode.INCONCLUSIVE)


def _forecast(name: str, base: str, users: str, device: str, out: Path) -> Forecast:
    from pytest_noisefloor.data import load_users
    from pytest_noisefloor.experiment import Experiment
    from pytest_noisefloor.models import open_base
    from pytest_noisefloor.runs import ProgressBar, Runner, context_for

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
