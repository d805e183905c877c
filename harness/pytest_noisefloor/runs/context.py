"""What all runs of one method by one recipe on one base share."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_noisefloor.models import Base
from pytest_noisefloor.specs import Recipe, Scoring
from pytest_noisefloor.training import Method

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
