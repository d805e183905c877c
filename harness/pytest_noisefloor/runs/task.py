"""Records to make, and which of them can be made as one batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pytest_noisefloor.data import Slice
from pytest_noisefloor.specs import GradientSpec, RunSpec, ScoreSpec

from .request import Request
from .store import Kind


@dataclass(frozen=True, kw_only=True)
class Task:
    """One record to make: an adapter to train, a slice to score, or a gradient.

    ``needs`` is the kind and key of the record that a slice is scored under; it must be stored
    first. It is None for training, for gradients, and for scoring the untrained base. If it is a
    gradient, the slice is scored after a step of size ``step`` down it. A gradient is that of all
    held-out slices of ``request``. ``cost`` is in tokens passed forward; a backward pass counts as
    one more.
    """

    kind: Kind
    key: str
    request: Request
    spec: RunSpec | ScoreSpec | GradientSpec
    cost: int
    heldout_slice: Slice | None = None
    needs: tuple[Kind, str] | None = None
    step: float | None = None

    @property
    def batch_key(self) -> str:
        """Tasks with the same ``batch_key`` can run as one batch.

        All adapters can train together. A slice can be scored under several adapters together.
        Gradients, and scoring the untrained base, are never batched.
        """
        if self.kind == "adapters":
            return self.kind
        if self.heldout_slice is None or self.needs is None:
            return self.key
        return self.heldout_slice.sha256

    def __str__(self) -> str:
        user = self.request.user
        if self.kind == "gradients":
            return f"{user.name}: gradient over {', '.join(piece.name for piece in user.heldout)}"
        who = self.request if self.step is None else f"{user.name}, step of {self.step:.2g}"
        return f"{who}: scoring {self.heldout_slice.name}" if self.heldout_slice else f"{who}"


@dataclass(frozen=True)
class Batch:
    """Tasks with the same ``batch_key`` whose records are made together."""

    members: tuple[Task, ...]

    @property
    def kind(self) -> Kind:
        """What the members' records are."""
        return self.members[0].kind

    @property
    def heldout_slice(self) -> Slice | None:
        """What all members score; None if they do not score."""
        return self.members[0].heldout_slice

    def __str__(self) -> str:
        more = len(self.members) - 1
        return f"{self.members[0]}" + (f" and {more} more" if more else "")


def batches(tasks: Sequence[Task], size: Callable[[Task, int], int]) -> Iterator[Batch]:
    """Split tasks into batches, in the order of each batch's first task.

    ``size(task, left)`` says how many of the ``left`` tasks with a task's ``batch_key``, at least
    one, form the next batch. It is called only when that batch is due.
    """
    left: dict[str, deque[Task]] = {}
    for task in tasks:
        left.setdefault(task.batch_key, deque()).append(task)
    for task in tasks:
        members = left[task.batch_key]
        if members and members[0].key == task.key:  # else an earlier batch has it
            yield Batch(tuple(members.popleft() for _ in range(size(task, len(members)))))
