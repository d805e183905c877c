"""What is asked of the runner, and the adapter that comes back."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.data import User


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
