"""Where a training stands: the tensors, AdamW's running means, and the losses so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.specs import Recipe

from .methods.base import snapshot

MOMENTS = ("exp_avg", "exp_avg_sq")
"""AdamW's running means of a tensor's gradient and of its square, as torch names them."""


@dataclass(frozen=True)
class TrainingState:
    """Where one adapter's training stands; training resumes from it bitwise.

    ``moments`` holds AdamW's running means under ``<name>/exp_avg`` and ``<name>/exp_avg_sq``.
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


def moments(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Copies of the optimiser's running means; empty before its first step."""
    return snapshot(
        {
            f"{name}/{moment}": optimizer.state[tensor][moment]
            for name, tensor in tensors.items()
            if tensor in optimizer.state
            for moment in MOMENTS
        }
    )


def load_moments(
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, torch.Tensor],
    moments: Tensors,
    step: int,
) -> None:
    """Give the optimiser the running means that it had after ``step`` steps."""
    for name, tensor in tensors.items():
        optimizer.state[tensor] = {
            "step": torch.tensor(float(step)),
            **{
                moment: torch.tensor(moments[f"{name}/{moment}"], device=tensor.device)
                for moment in MOMENTS
            },
        }
