"""Runs: what is asked for, what comes back, and how one that was interrupted is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .corpora import User
from .methods import Tensors
from .records import Record

if TYPE_CHECKING:
    from .training import Progress


@dataclass(frozen=True)
class Request:
    """A user's adapter of one arm and seed; the arm ``untrained`` has neither."""

    user: User
    arm: str
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.user.name}, {self.arm}" + (f", seed {self.seed}" if self.seed else "")


@dataclass(frozen=True)
class Adapter:
    """A trained adapter: its tensors (fp32) and the facts of its training.

    ``losses`` are the mean cross-entropies of the steps in nats per token; ``seconds`` is the
    training's wall-clock time.
    """

    user: str
    arm: str
    seed: int
    key: str
    tensors: Tensors
    losses: tuple[float, ...]
    seconds: float

    @property
    def count(self) -> int:
        """Trained values."""
        return sum(tensor.size for tensor in self.tensors.values())

    @property
    def nbytes(self) -> int:
        """Bytes of payload, without a file's header."""
        return sum(tensor.nbytes for tensor in self.tensors.values())


@dataclass(frozen=True)
class Scores:
    """What one adapter scored on one slice: nats of each token (n,), and which tokens they were."""

    nll: npt.NDArray[np.float32]
    tokens: str


def pack(progress: Progress) -> Record:
    """An unfinished training as a record."""
    arrays = {f"tensors/{name}": value for name, value in progress.tensors.items()}
    arrays |= {f"moments/{name}": value for name, value in progress.moments.items()}
    return Record(arrays, {"losses": list(progress.losses), "seconds": progress.seconds})


def unpack(record: Record) -> Progress:
    """The unfinished training of a record, bitwise as it was packed."""
    from .training import Progress

    def part(prefix: str) -> Tensors:
        return {
            name.removeprefix(prefix): value
            for name, value in record.arrays.items()
            if name.startswith(prefix)
        }

    return Progress(
        tensors=part("tensors/"),
        moments=part("moments/"),
        losses=tuple(record.facts["losses"]),
        seconds=record.facts["seconds"],
    )
