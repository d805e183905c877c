"""The model that all runs on a device share. It is checked whenever it was loaded again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_noisefloor.models import plain_torch

from .context import RunContext

if TYPE_CHECKING:
    from torch import nn

    from pytest_noisefloor.models import LMHead


class CheckedModel:
    """A base's shared model and its head. Torch and the model load with the first use."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._last: tuple[nn.Module, LMHead] | None = None

    @property
    def model_and_head(self) -> tuple[nn.Module, LMHead]:
        """The shared model, which is a fresh one if a method has spoiled the last, and its head.

        Raises:
            BaseError: the model is not causal, or texts are longer than its positions.
            HeadError: its logits are not those of its head.
        """
        model = self._context.base.shared_model(self._context.device)
        if self._last is None or self._last[0] is not model:
            self._last = (model, self._check(model))
        return self._last

    def forget(self) -> None:
        """Let no run use this model again, since a method has changed it."""
        self._last = None
        self._context.base.forget_model(self._context.device)

    def _check(self, model: nn.Module) -> LMHead:
        import torch

        from pytest_noisefloor.models import check_causal, check_positions, lm_head

        context = self._context
        if context.workers > 1:
            share = max(1, _cores() // context.workers)
            # never more threads than now: OMP_NUM_THREADS may ask for fewer
            torch.set_num_threads(min(share, torch.get_num_threads()))
        with plain_torch(context.device):
            head = lm_head(model)
            longest = {"windows": context.scoring.window, "sequences": context.recipe.sequence}
            check_positions(model, longest)
            check_causal(model, len(head.weight))
        return head


def _cores() -> int:
    # macOS has no affinity
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
