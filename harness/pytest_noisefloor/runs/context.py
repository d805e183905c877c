"""What all runs of one method by one recipe on one base share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_noisefloor.bets import Bet
from pytest_noisefloor.models import Base, resolve_device
from pytest_noisefloor.specs import Recipe, Scoring
from pytest_noisefloor.training import Method, open_method

from .progress import ProgressBar
from .store import Store


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """Where runs are stored, what they are made of, and how this machine makes them.

    Results depend on ``base``, ``device``, ``method``, ``recipe`` and ``scoring``, not on the
    rest. ``workers`` is how many processes share the work. ``stack_size`` is how many adapters
    train or score as one batch; None lets noisefloor choose what is fastest and fits into memory.
    For another method or recipe use ``dataclasses.replace``.
    """

    store: Store
    base: Base
    device: str
    method: Method
    recipe: Recipe
    scoring: Scoring
    progress_bar: ProgressBar
    workers: int = 1
    stack_size: int | None = None


def context_for(
    bet: Bet, base: Base, *, device: str, out: Path, progress_bar: ProgressBar, workers: int = 1
) -> RunContext:
    """What the runs of a bet on a base share, on a device by name and with the store in ``out``.

    Raises:
        DeviceError: this machine does not have the device.
        MethodError: there is no such method.
    """
    store = Store(out / ".noisefloor")
    store.drop_orphans()
    return RunContext(
        store=store,
        base=base,
        device=resolve_device(device),
        method=open_method(bet.method),
        recipe=bet.recipe,
        scoring=bet.scoring,
        progress_bar=progress_bar,
        workers=workers,
    )
