"""Norm-only: only the gains train, the scale vectors of the normalisation layers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from pytest_noisefloor.errors import MethodError

from .base import _trained

if TYPE_CHECKING:
    import torch
    from torch import nn


class NormOnly:
    """Trains only the gains: the scale vector of every normalisation layer, 4 bytes a channel.

    Biases of LayerNorms stay frozen. For Gemma, whose gain is ``1 + weight``, ``weight`` trains.
    """

    name = "norm-only"
    version = 1
    first_order = True

    def attached(self, model: nn.Module) -> AbstractContextManager[dict[str, torch.Tensor]]:
        """Let the gains train; on leaving, restore their values.

        Raises:
            MethodError: a gain is not fp32, or ``gain_names`` cannot tell which tensors are gains.
        """
        return _trained(model, gain_names(model))


def gain_names(model: nn.Module) -> list[str]:
    """Names of all gains of a model, in the model's own order.

    A normalisation layer is a module whose class name contains "norm", as in all architectures of
    transformers that were looked at. Its gain is its one-dimensional ``weight``; a layer without
    parameters has no gain. Two cases are errors rather than guesses: a norm whose scale is not
    called ``weight``, and a one-dimensional scale in a module that is not called a norm.

    Raises:
        MethodError: one of these two cases, with the module's name; or a model without gains.
    """
    names: list[str] = []
    for path, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if "norm" in type(module).__name__.lower():
            gain = own.get("weight")
            if gain is not None and gain.ndim == 1:
                names.append(f"{path}.weight" if path else "weight")
                continue
            strange = list(own)
        else:
            strange = [n for n, p in own.items() if p.ndim == 1 and n in _SCALE_NAMES]
        if strange:
            raise MethodError(
                f"{path or 'model'} ({type(module).__name__}): cannot place {', '.join(strange)}; "
                "expected a norm with a one-dimensional weight, or no scale vector at all"
            )
    if not names:
        raise MethodError(f"{type(model).__name__}: no normalisation layer with a gain")
    return names


_SCALE_NAMES = frozenset({"weight", "scale", "gain", "gamma", "g"})
