"""What the runner is asked for, and the adapter that it returns."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.data import User


@dataclass(frozen=True)
class Request:
    """Asks for a user's adapter of one arm and seed; the arm ``untrained`` is the base alone."""

    user: User
    arm: str
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.user.name}, {self.arm}" + (f", seed {self.seed}" if self.seed else "")


@dataclass(frozen=True)
class Adapter:
    """A trained adapter: its tensors (fp32) and how its training went.

    ``losses`` are the mean cross-entropies of its steps in nats per token. ``seconds`` is the
    wall-clock time that its training took.
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
        """How many values trained."""
        return sum(tensor.size for tensor in self.tensors.values())

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors, without a file's header."""
        return sum(tensor.nbytes for tensor in self.tensors.values())
