"""Full fine-tuning: all parameters of the base train."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from .base import _trained

if TYPE_CHECKING:
    import torch
    from torch import nn


class Full:
    """Trains all parameters of the base; a parameter that two modules share trains once."""

    name = "full"
    version = 1
    first_order = True

    def attached(self, model: nn.Module) -> AbstractContextManager[dict[str, torch.Tensor]]:
        """Let all parameters train; on leaving, restore their values.

        Raises:
            MethodError: a parameter is not fp32.
        """
        return _trained(model, [name for name, _ in model.named_parameters()])
