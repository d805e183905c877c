"""Norm-only: the gains alone train, the scale vector of every normalisation layer."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from pytest_noisefloor.errors import MethodError

from .base import _trained

if TYPE_CHECKING:
    import torch
    from torch import nn


class NormOnly:
    """The gains alone: the scale vector of every normalisation layer, 4 bytes a channel.

    Biases of LayerNorms stay frozen. Gemma's ``1 + weight`` trains ``weight``.
    """

    name = "norm-only"
    version = 1

    def attached(self, model: nn.Module) -> AbstractContextManager[dict[str, torch.Tensor]]:
        """Let the gains train, and put their values back on leaving.

        Raises:
            MethodError: a gain that is not fp32, or a norm that could not be placed.
        """
        return _trained(model, gain_names(model))


def gain_names(model: nn.Module) -> list[str]:
    """Names of all gains of a model, in its own order.

    A normalisation layer is a module whose class name contains "norm", as in all architectures
    of transformers looked at; its gain is its one-dimensional ``weight``. A layer without any
    parameter has no gain. Two lookalikes stop the search rather than being passed over: a norm
    whose scale is not called ``weight``, and a one-dimensional scale outside a norm class.

    Raises:
        MethodError: such a lookalike, by its module's name; or no gain at all.
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
