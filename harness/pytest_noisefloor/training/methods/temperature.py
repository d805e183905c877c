"""Temperature: one factor for all logits trains. That is calibration and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_noisefloor.errors import MethodError

if TYPE_CHECKING:
    import torch
    from torch import nn


class Temperature:
    """Trains one factor for all logits, the inverse of a temperature; it starts at 1.

    That is calibration and nothing else: temperature scaling (Guo et al. 2017, arXiv:1706.04599).
    """

    name = "temperature"
    version = 1
    first_order = True

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[dict[str, torch.Tensor]]:
        """Multiply the last hidden states by the factor, and so the logits, until leaving.

        Raises:
            MethodError: the head has a bias or a cap, so that its logits would not scale with its
                input.
        """
        import torch

        from pytest_noisefloor.models import lm_head

        head = lm_head(model)
        for part, value in (("bias", head.bias), ("cap", head.softcap)):
            if value is not None:
                raise MethodError(
                    f"{type(model).__name__}: its head has a {part}, so that hidden states times a "
                    f"factor are not logits times it; {self.name} needs a head without"
                )
        factor = torch.ones(1, device=head.weight.device, requires_grad=True)

        def scaled(_: nn.Module, __: tuple[object, ...], output: Any) -> Any:
            output.last_hidden_state = output.last_hidden_state * factor
            return output

        backbone: Any = model.base_model
        handle = backbone.register_forward_hook(scaled)
        try:
            yield {"temperature": factor}
        finally:
            handle.remove()
