"""LoRA: low-rank adapters (Hu et al. 2021, arXiv:2106.09685), as PEFT adds them to a model."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_noisefloor.errors import MethodError
from pytest_noisefloor.models import modules_kept

if TYPE_CHECKING:
    import torch
    from torch import nn

SEED = 60
"""Seed of the initial factors A, which are the same in every run, whatever the run's own seed."""


class Lora:
    """Adds 2 · B A to each matrix that PEFT names for an architecture, mostly queries and values.

    The factor 2 is alpha over rank. There is no dropout and no bias. B starts at 0.
    """

    version = 1
    first_order = False  # B starts at 0, and with it the gradient to A

    def __init__(self, rank: int) -> None:
        self.name = f"lora-r{rank}"
        self._rank = rank

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[dict[str, torch.Tensor]]:
        """Add A (rank, in) and B (out, rank) and let them train; on leaving they are gone.

        Raises:
            MethodError: PEFT is not installed, or names no matrices for this architecture.
        """
        import torch

        with modules_kept(model):
            with torch.random.fork_rng(devices=[]):  # PEFT draws its own A, on the CPU
                self._inject(model)
            model.eval()  # what PEFT adds is in training mode
            tensors: dict[str, torch.Tensor] = {
                name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad
            }
            draws = torch.Generator().manual_seed(SEED)
            for name, tensor in tensors.items():
                if ".lora_A." in name:
                    drawn = torch.empty(tensor.shape)
                    # the distribution that PEFT and nn.Linear use
                    torch.nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=draws)
                    tensor.data.copy_(drawn)
            yield tensors

    def _inject(self, model: Any) -> None:
        try:
            import peft
            from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as PLACES
        except ImportError as error:
            raise MethodError(
                f"{self.name}: needs PEFT ({error}): pip install 'pytest-noisefloor[catalogue]'"
            ) from None
        kind = model.config.model_type
        if kind not in PLACES:
            raise MethodError(
                f"{self.name}: PEFT {peft.__version__} names no matrices for {kind!r} "
                f"({type(model).__name__}); expected an architecture that it knows"
            )
        plan = peft.LoraConfig(r=self._rank, lora_alpha=2 * self._rank, lora_dropout=0.0)
        try:
            with warnings.catch_warnings():
                # GPT-2's matrices are transposed; PEFT warns and then handles them
                warnings.filterwarnings("ignore", "fan_in_fan_out is set to False")
                peft.inject_adapter_in_model(plan, model)
        except ValueError as error:
            reason = str(error).split("\n", 1)[0]
            raise MethodError(f"{self.name}: {type(model).__name__}: {reason}") from None
