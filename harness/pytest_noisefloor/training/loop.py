"""The one training loop."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models import LMHead, hidden_states, kernels, mean_loss
from pytest_noisefloor.specs import Recipe

from .methods.base import Method, restore, snapshot

if TYPE_CHECKING:
    from torch import nn

    from pytest_noisefloor._typing import Ids


class TrainingError(NoisefloorError):
    """A training that cannot count as a run."""


@dataclass(frozen=True)
class TrainingState:
    """Where a training stands, in a form from which it can go on bitwise.

    ``moments`` holds AdamW's running means under ``<name>/exp_avg`` and ``<name>/exp_avg_sq``;
    ``losses`` the mean cross-entropy of each step done, in nats per token; ``seconds`` the time
    spent so far.
    """

    tensors: Tensors
    moments: Tensors = field(default_factory=dict)
    losses: tuple[float, ...] = ()
    seconds: float = 0.0


def train(
    model: nn.Module,
    head: LMHead,
    method: Method,
    blocks: Iterator[Ids],
    recipe: Recipe,
    *,
    start: TrainingState | None = None,
    on_step: Callable[[int, float, Callable[[], TrainingState]], None] = lambda *_: None,
) -> TrainingState:
    """Train one adapter on ``blocks`` and give back its tensors; the base stays as it was.

    ``start`` is an earlier, unfinished training of the same run to go on from. ``on_step`` is
    told the number of steps done, the last loss and a way to take a snapshot.

    Raises:
        TrainingError: tokens outside the recipe's budget or the vocabulary, a loss that is not
            finite or depends on no tensor, tensors in half precision, tensors that did not move
            or that no gradient moved, or a base that moved.
    """
    with attach_checked(model, method) as tensors:
        initial = snapshot(tensors)
        if start is not None:
            restore(tensors, start.tensors)
        progress = _steps(model, head, tensors, blocks, recipe, start, on_step)
        check_moved(initial, progress, method, recipe)
    return progress


@contextmanager
def attach_checked(model: nn.Module, method: Method) -> Iterator[dict[str, torch.Tensor]]:
    """Attach a method, and insist on leaving that nothing else of the base moved.

    Raises:
        TrainingError: a tensor moved that the method does not name, the base came back changed,
            or a tensor that trains is in half precision.
    """
    base = fingerprint(model, skip={})
    with method.attached(model) as tensors:
        for name, tensor in tensors.items():
            if tensor.dtype != torch.float32:
                raise TrainingError(
                    f"{method.name}: {name} is {tensor.dtype}; expected float32, since half "
                    "precision cannot represent the steps of a training"
                )
        frozen_before = fingerprint(model, skip=tensors)
        yield tensors
        if fingerprint(model, skip=tensors) != frozen_before:
            raise TrainingError(
                f"{method.name}: tensors of the base moved that the method does not name"
            )
    if fingerprint(model, skip={}) != base:
        raise TrainingError(f"{method.name}: did not give the base back as it was")


def check_moved(initial: Tensors, done: TrainingState, method: Method, recipe: Recipe) -> None:
    """Refuse a run that left all its tensors where they were, or moved them by decay alone.

    Raises:
        TrainingError: none of them moved, or none ever had a gradient.
    """
    if all(np.array_equal(initial[name], done.tensors[name]) for name in initial):
        raise TrainingError(
            f"{method.name}: no tensor moved in {recipe.steps} steps at lr {recipe.lr:g}; "
            "such a run is no result (a learning rate of 0, or a dtype too coarse for it)"
        )
    if not any(moment.any() for moment in done.moments.values()):
        raise TrainingError(
            f"{method.name}: no gradient reached a tensor in {recipe.steps} steps; weight decay "
            "alone moved them, whatever the data"
        )


def adamw(tensors: Mapping[str, torch.Tensor], recipe: Recipe) -> torch.optim.AdamW:
    """The recipe's optimiser of some tensors; it treats each element by itself."""
    return torch.optim.AdamW(
        tensors.values(),
        lr=recipe.lr,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.eps,
        weight_decay=recipe.weight_decay,
        foreach=True,
    )


def training_head(head: LMHead, recipe: Recipe) -> LMHead:
    """The head that a recipe trains with: its matrix in bfloat16 where the recipe says so.

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


def _steps(
    model: nn.Module,
    head: LMHead,
    tensors: dict[str, torch.Tensor],
    blocks: Iterator[Ids],
    recipe: Recipe,
    start: TrainingState | None,
    on_step: Callable[[int, float, Callable[[], TrainingState]], None],
) -> TrainingState:
    optimizer = adamw(tensors, recipe)
    head = training_head(head, recipe)
    losses = list(start.losses) if start else []
    spent = start.seconds if start else 0.0
    if start:
        load_moments(optimizer, tensors, start.moments, step=len(losses))
    began = time.perf_counter()

    def progress() -> TrainingState:
        return TrainingState(
            tensors=snapshot(tensors),
            moments=moments(optimizer, tensors),
            losses=tuple(losses),
            seconds=spent + time.perf_counter() - began,
        )

    for step, block in enumerate(checked_batches(blocks, recipe, head.weight.shape[0])):
        if step < len(losses):
            continue
        ids = torch.from_numpy(block).to(head.weight.device)  # (batch, sequence)
        hidden = hidden_states_fp32(model, ids, recipe)[:, :-1]  # (batch, sequence - 1, hidden)
        loss = mean_loss(hidden.flatten(0, 1), ids[:, 1:].flatten(), head)
        if not loss.requires_grad:
            raise TrainingError("the loss depends on none of the tensors that the method names")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        if not np.isfinite(value):
            raise TrainingError(f"step {step + 1} of {recipe.steps}: loss is {value}")
        optimizer.step()
        losses.append(value)
        on_step(step + 1, value, progress)
    return progress()


def checked_batches(blocks: Iterator[Ids], recipe: Recipe, vocabulary: int) -> Iterator[Ids]:
    """Pass the blocks on while they keep to the recipe's budget, which is the same for all arms."""
    shape = (recipe.batch, recipe.sequence)
    count = 0
    for count, block in enumerate(blocks, start=1):
        if count > recipe.steps:
            raise TrainingError(f"the arm offers more than its budget of {recipe.steps} steps")
        if block.shape != shape or block.dtype != np.int64:
            raise TrainingError(
                f"step {count}: the arm gave {block.dtype} tokens of shape {block.shape}; "
                f"expected int64 of {shape}, as every arm has"
            )
        if block.min() < 0 or block.max() >= vocabulary:
            raise TrainingError(
                f"step {count}: token ids from {block.min()} to {block.max()}; "
                f"expected 0 to {vocabulary - 1}"
            )
        yield block
    if count < recipe.steps:
        raise TrainingError(f"the arm ended after {count} of {recipe.steps} steps")


def moments(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> Tensors:
    """The optimiser's running means of each tensor; none before its first step."""
    return snapshot(
        {
            f"{name}/{moment}": optimizer.state[tensor][moment]
            for name, tensor in tensors.items()
            if tensor in optimizer.state
            for moment in ("exp_avg", "exp_avg_sq")
        }
    )


def load_moments(
    optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], moments: Tensors, step: int
) -> None:
    """Put the running means back as they were after ``step`` steps."""
    for name, tensor in tensors.items():
        optimizer.state[tensor] = {
            "step": torch.tensor(float(step)),
            **{
                moment: torch.tensor(moments[f"{name}/{moment}"], device=tensor.device)
                for moment in ("exp_avg", "exp_avg_sq")
            },
        }


def fingerprint(model: nn.Module, *, skip: dict[str, torch.Tensor]) -> str:
    """SHA-256 (hex) over all parameters and buffers of a model but the skipped ones."""
    skipped = {id(tensor) for tensor in skip.values()}
    total = hashlib.sha256()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in skipped:
            total.update(name.encode())
            total.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return total.hexdigest()
