"""Full fine-tuning: all parameters of the base train."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from .base import _trained

if TYPE_CHECKING:
    import torch
    from torch import nn


class Full:
    """All parameters of the base; where two modules share one, it trains once."""

    name = "full"
    version = 1

    def attached(self, model: nn.Module) -> AbstractContextManager[dict[str, torch.Tensor]]:
        """Let all parameters train, and put their values back on leaving.

        Raises:
            MethodError: a parameter that is not fp32.
        """
        return _trained(model, [name for name, _ in model.named_parameters()])
