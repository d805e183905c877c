"""Records to make, and which of them can be made as one batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pytest_noisefloor.data import Slice
from pytest_noisefloor.specs import RunSpec, ScoreSpec

from .request import Request
from .store import Kind


@dataclass(frozen=True, kw_only=True)
class Task:
    """One record to make: an adapter to train, or a slice to score.

    ``adapter_key`` names the adapter that a slice is scored under; it must be stored first. It is
    None for training and for scoring the untrained base. ``cost`` is in tokens passed forward; a
    backward pass counts as one more.
    """

    kind: Kind
    key: str
    request: Request
    spec: RunSpec | ScoreSpec
    cost: int
    heldout_slice: Slice | None = None
    adapter_key: str | None = None

    @property
    def batch_key(self) -> str:
        """Tasks with the same ``batch_key`` can run as one batch.

        All adapters can train together. A slice can be scored under several adapters together.
        Scoring the untrained base is never batched.
        """
        if self.heldout_slice is None:
            return "adapters"
        return self.key if self.adapter_key is None else self.heldout_slice.sha256

    def __str__(self) -> str:
        scoring = f": scoring {self.heldout_slice.name}" if self.heldout_slice else ""
        return f"{self.request}{scoring}"


@dataclass(frozen=True)
class Batch:
    """Tasks with the same ``batch_key`` whose records are made together."""

    members: tuple[Task, ...]

    @property
    def heldout_slice(self) -> Slice | None:
        """What all members score; None if they train."""
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
