"""How many adapters train as one batch: as many as fit into memory, if that is faster.

One adapter alone leaves an accelerator mostly idle. On a CPU only small steps get faster as one
batch. The table gives the CPU time of each adapter and step. Its last two columns give what each
adapter costs besides its steps (the base is hashed before and after). Each figure is the smaller of
two measurements on one thread of an AMD EPYC (Zen 3) that was also busy with other work
(2026-11-24):

| base, tokens a step |         alone | 8 at once | 32 at once | besides steps, alone | 32 at once |
|---------------------|---------------|-----------|------------|--------------------|------------|
| tiny, 1 × 64        |        3.7 ms |    1.2 ms |     0.8 ms |             2.1 ms |     0.3 ms |
| tiny, 4 × 256       |       15.7 ms |   13.4 ms |            |             1.1 ms |            |
| reference, 1 × 64   |         82 ms |     77 ms |      73 ms |             287 ms |      12 ms |
| reference, 2 × 64   |        131 ms |    132 ms |     136 ms |             296 ms |      11 ms |
| reference, 4 × 256  | 0.86 – 0.92 s |    0.88 s |            |                    |            |

Scoring a slice under several adapters as one batch was no faster on that CPU: 128 ms for each
adapter alone, 128 ms three at once, 126 ms eight at once (reference, 256 tokens in windows of 64).

Seconds for each adapter, everything included, and memory of the batch, for the reference base at
4 × 256 on one NVIDIA H200 (torch 2.11, 2026-11-26):

| matrix products |  alone | 8 at once | 64 at once |            256 at once |
|-----------------|--------|-----------|------------|------------------------|
| float32         | 2.33 s |    0.44 s |     0.24 s | 0.23 s, of 30 steps    |
| bfloat16        | 2.2 s  |           |     0.17 s | 0.14 s, of 10 steps    |
| memory, float32 |        |    0.8 GB |     4.9 GB | 19.7 GB                |

(The times of 256 at once are extrapolated from 30 and 10 steps to 100.) In float32 the head's two
products take half of the time, at 41 TFLOP/s. Scoring 8,192 tokens in windows of 512 took 28 ms
under one adapter, 32 ms for each of eight at once, and 14 ms for each of 64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import torch

from pytest_noisefloor.models import LMHead, mean_loss
from pytest_noisefloor.specs import Recipe

from .loop import hidden_states_fp32
from .methods.base import Method

if TYPE_CHECKING:
    from torch import nn

CPU_TOKENS = 64
"""On a CPU adapters train as one batch up to this many tokens a step; the table says why."""

MOST = {"cpu": 32, "cuda": 256, "mps": 64}
"""The most adapters in a batch, since a killed process loses the unsaved steps of all of them.

The largest batch that was measured on a CPU and on CUDA; on MPS a guess that nobody has tried."""

SHARE = 0.5
"""Share of the free memory that a batch may take, since others use the machine too."""

BACKWARD = 2
"""Peak memory of a batch over what it keeps for the backward pass, both in bytes.

At 4 × 256 tokens of the reference base each further adapter took 116 MB on a CPU (2026-11-24). On
CUDA it took 77 MB, of which 70 MB were kept, so a batch takes 28 % of the free memory there rather
than half (2026-11-26)."""


def batching_pays(device: str, recipe: Recipe) -> bool:
    """Whether adapters train faster as one batch: measured on a CPU and CUDA, expected on MPS."""
    return device != "cpu" or recipe.batch * recipe.sequence <= CPU_TOKENS


def max_stack_size(model: nn.Module, head: LMHead, method: Method, recipe: Recipe) -> int:
    """How many adapters that train as one batch fit into the free memory, at least 1."""
    device = head.weight.device.type
    room = SHARE * _free(device) / (BACKWARD * activation_bytes(model, head, method, recipe))
    return max(1, min(MOST[device], int(room)))


def activation_bytes(model: nn.Module, head: LMHead, method: Method, recipe: Recipe) -> int:
    """Bytes that one adapter's step keeps for its backward pass, measured in a forward pass."""
    own = {tensor.untyped_storage().data_ptr() for tensor in model.state_dict().values()}
    own.add(head.weight.untyped_storage().data_ptr())
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    device = head.weight.device
    ids = torch.zeros(recipe.batch, recipe.sequence, dtype=torch.int64, device=device)
    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with method.attached(model), hooks:
        hidden = hidden_states_fp32(model, ids, recipe)[:, :-1]  # (batch, sequence - 1, hidden)
        mean_loss(hidden.flatten(0, 1), ids[:, 1:].flatten(), head)
    return max(1, sum(kept.values()))


def _free(device: str) -> int:
    """Bytes of free memory."""
    if device == "cuda":
        # torch keeps the memory of earlier batches and reuses it for the next
        kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return torch.cuda.mem_get_info()[0] + kept
    if device == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return int(psutil.virtual_memory().available)
