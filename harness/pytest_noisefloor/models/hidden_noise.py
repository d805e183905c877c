"""Add noise to every block's output during scoring, to see how much of an effect survives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from pytest_noisefloor.errors import NoisefloorError


class NoiseError(NoisefloorError):
    """A model whose blocks cannot be found."""


@contextmanager
def noisy_blocks(model: nn.Module, share: float, windows: Sequence[int]) -> Iterator[None]:
    """Add Gaussian noise to each block's output, scaled to ``share`` times its token's RMS.

    ``windows`` gives the place in the document of the first token of each window in a forward pass.
    The model's ids have shape (copies · windows, sequence), with all windows of a copy in
    consecutive rows. The draws depend only on that place and the block's number. So they are the
    same for every batch and every adapter, and for every share but for their scale. With a share of
    0, no hook is set.

    Raises:
        NoiseError: the model does not have exactly one list of as many blocks as its config says.
    """
    with ExitStack() as hooks:
        if share:
            for number, block in enumerate(_blocks(model)):
                hook = _hook(number, share, windows)
                hooks.enter_context(block.register_forward_hook(hook))
        yield


def _hook(number: int, share: float, windows: Sequence[int]) -> Callable[[Any, Any, Any], Any]:
    def add(block: nn.Module, inputs: Any, output: Any) -> Any:
        if not isinstance(output, torch.Tensor):  # the rest: caches, attention weights
            return (add(block, inputs, output[0]), *output[1:])
        shape = output.shape[1:]  # (sequence, hidden)
        draws = np.stack(
            [
                np.random.default_rng([first, number]).standard_normal(shape, dtype=np.float32)
                for first in windows
            ]
        )
        scale = share * output.square().mean(dim=-1, keepdim=True).sqrt()
        noise = torch.from_numpy(draws).to(output)  # drawn on the CPU, whatever the device
        return output + scale * noise.repeat(len(output) // len(windows), 1, 1)

    return add


def _blocks(model: nn.Module) -> nn.ModuleList:
    """The list of a model's blocks. Lists of experts inside a block do not count."""
    inner: Any = model
    count = inner.config.get_text_config().num_hidden_layers
    found: dict[str, nn.ModuleList] = {}
    for path, module in model.named_modules():
        inside = any(path.startswith(f"{outer}.") for outer in found)
        if isinstance(module, nn.ModuleList) and len(module) == count and not inside:
            found[path] = module
    if len(found) != 1:
        raise NoiseError(
            f"{type(model).__name__}: lists of {count} blocks: {', '.join(found) or 'none'}; "
            "expected one to put noise on"
        )
    (blocks,) = found.values()
    return blocks
