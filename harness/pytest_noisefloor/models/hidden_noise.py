"""Noise on what every block puts out, at scoring: what of an effect survives it?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from pytest_noisefloor.errors import NoisefloorError


class NoiseError(NoisefloorError):
    """A model whose blocks are not found."""


@contextmanager
def noisy_blocks(model: nn.Module, share: float, windows: Sequence[int]) -> Iterator[None]:
    """Add Gaussian noise to each block's output, ``share`` times its token's RMS.

    ``windows`` says which pass the model meanwhile, by the place of their first token in the
    document: (copies · windows, sequence) ids, all windows of a copy in a row. The draws depend on
    that place and the block's number alone, so that they are the same whatever passes together,
    under every adapter, and but for their size for every share. At a share of 0 nothing is hooked.

    Raises:
        NoiseError: the model has not one list of as many blocks as its config says.
    """
    with ExitStack() as hooks:
        if share:
            for number, block in enumerate(_blocks(model)):
                hook = _hook(number, share, windows)
                hooks.enter_context(block.register_forward_hook(hook))
        yield


def _hook(number: int, share: float, windows: Sequence[int]) -> Callable[[Any, Any, Any], Any]:
    def add(block: nn.Module, inputs: Any, output: Any) -> Any:
        if not isinstance(output, torch.Tensor):  # the rest is caches and attention weights
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
    """The list of a model's blocks; experts' lists inside a block do not count."""
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
