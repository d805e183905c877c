"""What a method could do to held-out NLL near its start: the gradient there, and steps down it.

With distance r for every trained value, a linear NLL falls by r · ‖∇L‖₁ at most, and the step
-r · sign(∇L) makes it fall so far (steepest descent in the maximum norm: Boyd & Vandenberghe 2004,
"Convex optimization", section 9.4.2). A real NLL is not linear, so this is an estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.models import LMHead, add_gradients
from pytest_noisefloor.specs import Scoring

from .checks import TrainingError
from .methods.base import Method, snapshot

if TYPE_CHECKING:
    from torch import nn

    from pytest_noisefloor._typing import Ids


def gradient(
    model: nn.Module,
    head: LMHead,
    method: Method,
    texts: Sequence[Ids],
    prefix: int,
    scoring: Scoring,
    on_tokens: Callable[[int], None] = lambda _: None,
) -> Tensors:
    """Differentiate the mean NLL of all scored tokens by what a method trains, at its start.

    Nothing trains, and the base stays as it was. Arguments are those of ``models.add_gradients``.

    Raises:
        MethodError: the method does not fit the base.
        TrainingError: the NLL depends on none of the tensors, or the gradient is not finite.
        ScoringError: a text has no tokens.
    """
    with method.attached(model) as tensors:
        depends = add_gradients(model, head, texts, prefix, scoring, on_tokens)
        found = {
            name: np.zeros(tensor.shape, np.float32)
            if tensor.grad is None
            else snapshot({name: tensor.grad})[name]
            for name, tensor in tensors.items()
        }
        for tensor in tensors.values():
            tensor.grad = None
    if not depends:
        raise TrainingError("the loss depends on none of the tensors that the method names")
    for name, values in found.items():
        if not np.isfinite(values).all():
            raise TrainingError(f"{method.name}: the gradient to {name} is not finite")
    return found


def has_first_order(method: Method, gradient: Tensors) -> bool:
    """Whether a method's gradient at its start says what it can do near there.

    LoRA's does not: B starts at 0, so that the gradient to A is 0 while both can move. A method may
    say so by its member ``first_order``. Otherwise the gradient decides: it must not be exactly 0
    in all values of any tensor.
    """
    said: bool | None = getattr(method, "first_order", None)
    return all(values.any() for values in gradient.values()) if said is None else said


def l1_norm(gradient: Tensors) -> float:
    """‖∇L‖₁: how fast the NLL falls, in nats per token, if all values move alike, per unit."""
    return float(sum(np.abs(values).sum(dtype=np.float64) for values in gradient.values()))


def sign_step(model: nn.Module, method: Method, gradient: Tensors, size: float) -> Tensors:
    """Return a method's starting values, each moved by ``size`` against its gradient's sign."""
    with method.attached(model) as tensors:
        initial = snapshot(tensors)
    return {
        name: np.subtract(values, size * np.sign(gradient[name]), dtype=np.float32)
        for name, values in initial.items()
    }


def distance(model: nn.Module, method: Method, values: Tensors) -> float:
    """Return how far the value of an adapter that moved most is from its start."""
    with method.attached(model) as tensors:
        initial = snapshot(tensors)
    apart = (np.abs(values[name].astype(np.float64) - start) for name, start in initial.items())
    return max(float(each.max()) for each in apart)
