"""Refuse a training with wrong tokens, tensors that did not move, or a base that did."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import Recipe

from .methods.base import Method
from .state import MOMENTS, TrainingState

if TYPE_CHECKING:
    from torch import nn

    from pytest_noisefloor._typing import Ids


class TrainingError(NoisefloorError):
    """A training whose adapter must not be used."""


@contextmanager
def naming(name: str | None) -> Iterator[None]:
    """Put the name of an adapter in front of training errors, unless it is None."""
    try:
        yield
    except TrainingError as error:
        if name is None:
            raise
        raise TrainingError(f"{name}: {error}") from None


@contextmanager
def attach_checked(model: nn.Module, method: Method) -> Iterator[dict[str, torch.Tensor]]:
    """Attach a method, and check that nothing else of the base moves while it trains.

    Whether the base is as it was once the method has left, a ``GuardedMethod`` looks.

    Raises:
        TrainingError: a tensor moved that the method does not name.
    """
    with method.attached(model) as tensors:
        frozen_before = digests(model, skip=tensors)
        yield tensors
        if digests(model, skip=tensors) != frozen_before:
            raise TrainingError(
                f"{method.name}: tensors of the base moved that the method does not name"
            )


def checked_batches(
    batches: Iterator[Ids], recipe: Recipe, vocabulary: int, name: str | None = None
) -> Iterator[Ids]:
    """Pass on an arm's batches, each (batch, sequence), and check them against the recipe.

    Every arm has the same budget of tokens. Errors start with ``name``, if there is one.

    Raises:
        TrainingError: more or fewer batches than the recipe has steps, another shape or dtype, or
            token ids outside the vocabulary.
    """
    shape = (recipe.batch, recipe.sequence)
    count = 0
    with naming(name):
        for count, batch in enumerate(batches, start=1):
            if count > recipe.steps:
                raise TrainingError(f"the arm offers more than its budget of {recipe.steps} steps")
            if batch.shape != shape or batch.dtype != np.int64:
                raise TrainingError(
                    f"step {count}: the arm gave {batch.dtype} tokens of shape {batch.shape}; "
                    f"expected int64 of {shape}, as every arm has"
                )
            if batch.min() < 0 or batch.max() >= vocabulary:
                raise TrainingError(
                    f"step {count}: token ids from {batch.min()} to {batch.max()}; "
                    f"expected 0 to {vocabulary - 1}"
                )
            yield batch
        if count < recipe.steps:
            raise TrainingError(f"the arm ended after {count} of {recipe.steps} steps")


def check_moved(initial: Tensors, state: TrainingState, method: Method, recipe: Recipe) -> None:
    """Refuse a training that moved no tensor, or moved them by weight decay alone.

    Raises:
        TrainingError: every tensor is bitwise what it was, or none ever had a gradient.
    """
    if all(np.array_equal(initial[name], state.tensors[name]) for name in initial):
        raise TrainingError(
            f"{method.name}: no tensor moved in {recipe.steps} steps at lr {recipe.lr:g}; "
            "such a run is no result (a learning rate of 0, or a dtype too coarse for it)"
        )
    if not any(of.any() for name, of in state.moments.items() if name.endswith(MOMENTS)):
        raise TrainingError(
            f"{method.name}: no gradient reached a tensor in {recipe.steps} steps; weight decay "
            "alone moved them, whatever the data"
        )


def digests(model: nn.Module, *, skip: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """SHA-256 (hex) of each parameter and buffer of a model, by name, except the skipped ones.

    A tensor with several names is there under each. Buffers that are never saved are there too.
    """
    made = {id(tensor): "" for tensor in skip.values()}
    found: dict[str, str] = {}
    parameters = model.named_parameters(remove_duplicate=False)
    for name, tensor in chain(parameters, model.named_buffers(remove_duplicate=False)):
        if id(tensor) not in made:
            values: Any = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
            made[id(tensor)] = hashlib.sha256(values).hexdigest()
        if made[id(tensor)]:
            found[name] = made[id(tensor)]
    return found
