"""The one training loop: for one adapter, or for many adapters of one base as one batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.models import LMHead, hidden_states, kernels, mean_loss
from pytest_noisefloor.specs import Recipe

from .checks import TrainingError, attach_checked, check_moved, checked_batches, naming
from .methods.base import Method, restore, snapshot
from .stacking import Stack, StackError, check_stackable_output, stacked
from .state import TrainingState, adamw, load_moments, moments

if TYPE_CHECKING:
    from torch import nn

    from pytest_noisefloor._typing import Ids


class OnStep(Protocol):
    """Called after every step: steps done, each adapter's loss, and a function for snapshots."""

    def __call__(
        self,
        step: int,
        losses: Mapping[str, float],
        states: Callable[[], dict[str, TrainingState]],
        /,
    ) -> None:
        """``losses`` are means in nats per token; ``states()`` copies all tensors to the CPU."""
        ...


def train(
    model: nn.Module,
    head: LMHead,
    method: Method,
    streams: Mapping[str, Iterator[Ids]],
    recipe: Recipe,
    *,
    starts: Mapping[str, TrainingState] | None = None,
    on_step: OnStep = lambda *_: None,
    label: Callable[[str], str] = str,
) -> dict[str, TrainingState]:
    """Train one adapter on each stream of batches; the base stays as it was.

    Each adapter follows the gradient of its own mean loss on its own stream. One adapter trains in
    the model itself. Several train as one batch: each gets a copy of the method's tensors, and its
    ``seconds`` are its share of the time that all took. Streams, ``starts`` and results go by the
    same keys.

    Args:
        model: The frozen base.
        head: Its output embeddings, and how their products are made.
        method: Which tensors train.
        streams: Batches (batch, sequence) of token ids, as many as the recipe has steps.
        recipe: Batch size, steps and optimiser.
        starts: Unfinished trainings of all streams to resume, all after the same number of steps.
        on_step: Called after every step.
        label: What errors call the adapter of a key, where several train.

    Raises:
        StackError: adapters of this model or method cannot train as one batch, or ``starts`` are
            not all after the same number of steps.
        TrainingError: tokens outside the recipe's budget or the vocabulary, a loss that is not
            finite or depends on no tensor, tensors that did not move or that no gradient moved, or
            a base that moved.
    """
    names = {key: label(key) if len(streams) > 1 else None for key in streams}
    with attach_checked(model, method) as tensors:
        initial = snapshot(tensors)
        with _copies(model, head, method, tensors, len(streams)) as trained:
            training = _Training(trained, names, recipe, starts)
            head = training_head(head, recipe)
            vocabulary = head.weight.shape[0]
            checked = [
                checked_batches(batches, recipe, vocabulary, names[key])
                for key, batches in streams.items()
            ]
            for step, batches in enumerate(zip(*checked, strict=True), start=1):
                if step > training.steps_done:
                    losses = training.step(model, head, batches)
                    on_step(step, losses, training.states)
            states = training.states()
        for key, state in states.items():
            with naming(names[key]):
                check_moved(initial, state, method, recipe)
    return states


@contextmanager
def _copies(
    model: nn.Module,
    head: LMHead,
    method: Method,
    tensors: dict[str, torch.Tensor],
    count: int,
) -> Iterator[Stack]:
    """The tensors that train: the method's own for one adapter, stacked copies for several."""
    if count == 1:
        yield tensors
        return
    check_stackable_output(model, head, method, tensors)
    with stacked(model, tensors, count) as stack:
        yield stack


class _Training:
    """Adapters that train together: their tensors, their optimiser, and their losses so far.

    The tensors are an adapter's own, or (G, *shape) for G > 1 adapters. ``names`` says by key what
    errors call each adapter.
    """

    def __init__(
        self,
        tensors: Stack,
        names: Mapping[str, str | None],
        recipe: Recipe,
        starts: Mapping[str, TrainingState] | None,
    ) -> None:
        self._tensors = tensors
        self._names = names
        self._recipe = recipe
        self._optimizer = adamw(tensors, recipe)
        self._losses: list[list[float]] = []  # (steps, G)
        self._seconds_before = [0.0] * len(names)
        if starts:
            self._resume([starts[key] for key in names])
        self._began = time.perf_counter()

    @property
    def steps_done(self) -> int:
        """Steps that every adapter has behind it, those of earlier sessions included."""
        return len(self._losses)

    def _resume(self, starts: Sequence[TrainingState]) -> None:
        steps_done = {len(start.losses) for start in starts}
        if len(steps_done) > 1:
            raise StackError(
                f"unfinished trainings after {sorted(steps_done)} steps; expected equally many"
            )
        restore(self._tensors, _join([start.tensors for start in starts]))
        running_means = _join([start.moments for start in starts])
        load_moments(self._optimizer, self._tensors, running_means, step=steps_done.pop())
        self._losses = [list(losses) for losses in zip(*(s.losses for s in starts), strict=True)]
        self._seconds_before = [start.seconds for start in starts]

    def step(self, model: nn.Module, head: LMHead, batches: Sequence[Ids]) -> dict[str, float]:
        """Take one step, with a batch (batch, sequence) for each adapter; return their losses."""
        ids = torch.from_numpy(np.stack(batches)).to(head.weight.device)  # (G, batch, sequence)
        hidden = hidden_states_fp32(model, ids.flatten(0, 1), self._recipe)
        losses = torch.stack(
            [
                mean_loss(own[:, :-1].flatten(0, 1), rows[:, 1:].flatten(), head)
                for own, rows in zip(hidden.chunk(len(ids)), ids, strict=True)
            ]
        )  # (G,)
        if not losses.requires_grad:
            raise TrainingError("the loss depends on none of the tensors that the method names")
        self._optimizer.zero_grad(set_to_none=True)
        # d sum(losses) / d loss is 1, so that each adapter gets the gradient of its own loss
        losses.sum().backward()  # type: ignore[no-untyped-call]
        values: list[float] = losses.detach().tolist()
        for name, value in zip(self._names.values(), values, strict=True):
            if not np.isfinite(value):
                with naming(name):
                    raise TrainingError(
                        f"step {self.steps_done + 1} of {self._recipe.steps}: loss is {value}"
                    )
        self._optimizer.step()
        self._losses.append(values)
        return dict(zip(self._names, values, strict=True))

    def states(self) -> dict[str, TrainingState]:
        """Where each adapter stands, by key."""
        count = len(self._names)
        tensors = _split(snapshot(self._tensors), count)
        running_means = _split(
            moments(self._optimizer, self._tensors, self.steps_done, count), count
        )
        share = (time.perf_counter() - self._began) / count
        return {
            key: TrainingState(
                tensors=tensors[at],
                moments=running_means[at],
                losses=tuple(losses[at] for losses in self._losses),
                seconds=self._seconds_before[at] + share,
            )
            for at, key in enumerate(self._names)
        }


def _join(adapters: Sequence[Tensors]) -> Tensors:
    """Arrays of one adapter as they are; arrays of G adapters stacked to (G, *shape)."""
    if len(adapters) == 1:
        return adapters[0]
    return {name: np.stack([arrays[name] for arrays in adapters]) for name in adapters[0]}


def _split(arrays: Tensors, count: int) -> list[Tensors]:
    """The arrays of each adapter; the inverse of ``_join``."""
    if count == 1:
        return [arrays]
    return [{name: array[at].copy() for name, array in arrays.items()} for at in range(count)]


def training_head(head: LMHead, recipe: Recipe) -> LMHead:
    """The head that a recipe trains with: its matrix in bfloat16 if the recipe says so.

    Raises:
        TrainingError: a bfloat16 recipe for a head that trains, which is rounded only once.
    """
    if recipe.matmul == "float32":
        return head
    if head.weight.requires_grad:
        raise TrainingError(
            "matmul = 'bfloat16': the head trains; expected float32, as a head that is rounded "
            "before the first step would not follow"
        )
    low = replace(head, weight=head.weight.bfloat16())
    return low if head.kernel in kernels(low) else replace(low, kernel=kernels(low)[0])


def hidden_states_fp32(model: nn.Module, ids: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """The last hidden states (batch, sequence, hidden), fp32, of ids (batch, sequence).

    A bfloat16 recipe rounds the operands of matrix products; gains, norms and sums stay fp32.
    """
    low = recipe.matmul == "bfloat16"
    with torch.autocast(ids.device.type, dtype=torch.bfloat16, enabled=low):
        return hidden_states(model, ids).float()
