"""Training a group: many adapters of one base in one batch, each as if it were alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from pytest_noisefloor.models import LMHead, mean_loss
from pytest_noisefloor.specs import Recipe

from .loop import (
    TrainingError,
    TrainingState,
    adamw,
    attach_checked,
    check_moved,
    checked_batches,
    hidden_states_fp32,
    load_moments,
    moments,
    training_head,
)
from .methods.base import Method, snapshot
from .stacking import Stack, StackError, check_stackable_output, load_stack, stacked

if TYPE_CHECKING:
    from pytest_noisefloor._typing import Ids

OnStep = Callable[[int, dict[str, float], Callable[[], dict[str, TrainingState]]], None]
"""Told the number of steps done, each adapter's last loss, and a way to take a snapshot."""


def train_stacked(
    model: nn.Module,
    head: LMHead,
    method: Method,
    streams: Mapping[str, Iterator[Ids]],
    recipe: Recipe,
    *,
    starts: Mapping[str, TrainingState] | None = None,
    on_step: OnStep = lambda *_: None,
) -> dict[str, TrainingState]:
    """Train one adapter on each stream of blocks, all in one batch; ``training.train`` for many.

    Each adapter follows the gradient of its own mean loss on its own blocks. ``starts`` are
    unfinished trainings of all of them, as many steps old. ``on_step`` is told the number of steps
    done, each adapter's last loss and a way to take a snapshot. An adapter's ``seconds`` are its
    share of the time that all took.

    Raises:
        StackError: the architecture or the method does not allow it, or starts of unequal age.
        TrainingError: as ``train`` does, naming the adapter.
    """
    labels = list(streams)
    with attach_checked(model, method) as tensors:
        check_stackable_output(model, head, method, tensors)
        initial = snapshot(tensors)
        with stacked(model, tensors, len(labels)) as stack:
            group = _Group(stack, labels, recipe, starts)
            head = training_head(head, recipe)
            for blocks in zip(*_labelled(streams, recipe, head), strict=True):
                group.step(model, head, blocks, on_step)
            done = group.progress()
        for label, progress in done.items():
            with _naming(label):
                check_moved(initial, progress, method, recipe)
    return done


class _Group:
    """Adapters in training: their tensors, their optimiser, and where each stands."""

    def __init__(
        self,
        stack: Stack,
        labels: Sequence[str],
        recipe: Recipe,
        starts: Mapping[str, TrainingState] | None,
    ) -> None:
        self._stack = stack
        self._labels = labels
        self._recipe = recipe
        self._optimizer = adamw(stack, recipe)
        self._losses: list[list[float]] = []  # (steps, G)
        self._seen = 0
        self._spent = [0.0] * len(labels)
        if starts:
            self._resume([starts[label] for label in labels])
        self._began = time.perf_counter()

    def _resume(self, starts: Sequence[TrainingState]) -> None:
        ages = {len(start.losses) for start in starts}
        if len(ages) > 1:
            raise StackError(f"unfinished trainings after {sorted(ages)} steps; expected one age")
        load_stack(self._stack, [start.tensors for start in starts])
        running = {
            name: np.stack([start.moments[name] for start in starts]) for name in starts[0].moments
        }
        load_moments(self._optimizer, self._stack, running, step=ages.pop())
        self._losses = [list(losses) for losses in zip(*(s.losses for s in starts), strict=True)]
        self._spent = [start.seconds for start in starts]

    def step(
        self,
        model: nn.Module,
        head: LMHead,
        blocks: Sequence[Ids],
        on_step: OnStep,
    ) -> None:
        """Go one step with one block (batch, sequence) for each adapter."""
        self._seen += 1
        if self._seen <= len(self._losses):
            return
        ids = torch.from_numpy(np.stack(blocks)).to(head.weight.device)  # (G, batch, sequence)
        hidden = hidden_states_fp32(model, ids.flatten(0, 1), self._recipe)
        losses = torch.stack(
            [
                mean_loss(own[:, :-1].flatten(0, 1), rows[:, 1:].flatten(), head)
                for own, rows in zip(hidden.chunk(len(ids)), ids, strict=True)
            ]
        )  # (G,)
        self._optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        values = losses.detach().tolist()
        for label, value in zip(self._labels, values, strict=True):
            if not np.isfinite(value):
                raise TrainingError(
                    f"{label}: step {self._seen} of {self._recipe.steps}: loss is {value}"
                )
        self._optimizer.step()
        self._losses.append(values)
        on_step(self._seen, dict(zip(self._labels, values, strict=True)), self.progress)

    def progress(self) -> dict[str, TrainingState]:
        """Where each adapter stands, by its label."""
        tensors = snapshot(self._stack)
        running = moments(self._optimizer, self._stack)
        share = (time.perf_counter() - self._began) / len(self._labels)
        return {
            label: TrainingState(
                tensors={name: value[at].copy() for name, value in tensors.items()},
                moments={name: value[at].copy() for name, value in running.items()},
                losses=tuple(losses[at] for losses in self._losses),
                seconds=self._spent[at] + share,
            )
            for at, label in enumerate(self._labels)
        }


def _labelled(
    streams: Mapping[str, Iterator[Ids]], recipe: Recipe, head: LMHead
) -> list[Iterator[Ids]]:
    """The streams, each held to the recipe's budget under its own name."""

    def checked(label: str, blocks: Iterator[Ids]) -> Iterator[Ids]:
        with _naming(label):
            yield from checked_batches(blocks, recipe, head.weight.shape[0])

    return [checked(label, blocks) for label, blocks in streams.items()]


@contextmanager
def _naming(label: str) -> Iterator[None]:
    """Say of whose training an error is."""
    try:
        yield
    except TrainingError as error:
        raise TrainingError(f"{label}: {error}") from None
