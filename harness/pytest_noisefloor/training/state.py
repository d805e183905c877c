"""Where a training stands: the tensors, AdamW's running means, and the losses so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.specs import Recipe

from .methods.base import snapshot

STEP = "step"
MOMENTS = ("exp_avg", "exp_avg_sq")
"""AdamW's running means of a tensor's gradient and of its square, as torch names them."""


@dataclass(frozen=True)
class TrainingState:
    """Where one adapter's training stands; training resumes from it bitwise.

    ``moments`` holds AdamW's running means under ``<name>/exp_avg`` and ``<name>/exp_avg_sq``, and
    under ``<name>/step`` how many steps gave the tensor a gradient, if that is not all of them. A
    tensor that had no gradient yet has neither.
    ``losses`` holds the mean cross-entropy of each step so far, in nats per token. ``seconds`` is
    the time spent so far.
    """

    tensors: Tensors
    moments: Tensors = field(default_factory=dict)
    losses: tuple[float, ...] = ()
    seconds: float = 0.0


def adamw(tensors: Mapping[str, torch.Tensor], recipe: Recipe) -> torch.optim.AdamW:
    """The recipe's optimiser. AdamW updates each element on its own, so tensors can be stacked."""
    return torch.optim.AdamW(
        tensors.values(),
        lr=recipe.lr,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.eps,
        weight_decay=recipe.weight_decay,
        foreach=True,
    )


def moments(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor], step: int, count: int
) -> Tensors:
    """Copies of the running means of ``count`` adapters' optimiser, after ``step`` steps."""
    known = {name: optimizer.state[t] for name, t in tensors.items() if t in optimizer.state}
    means = {f"{name}/{one}": state[one] for name, state in known.items() for one in MOMENTS}
    late = {
        f"{name}/{STEP}": state["step"].reshape(1).expand(count, 1) if count > 1 else state["step"]
        for name, state in known.items()
        if int(state["step"]) != step
    }
    return snapshot(means | late)


def load_moments(
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, torch.Tensor],
    moments: Tensors,
    step: int,
) -> None:
    """Give the optimiser the running means that it had after ``step`` steps."""
    for name, tensor in tensors.items():
        if f"{name}/{MOMENTS[0]}" not in moments:
            continue  # no step gave it a gradient
        taken = float(np.ravel(moments.get(f"{name}/{STEP}", step))[0])
        optimizer.state[tensor] = {
            "step": torch.tensor(taken),
            **{
                moment: torch.tensor(moments[f"{name}/{moment}"], device=tensor.device)
                for moment in MOMENTS
            },
        }
