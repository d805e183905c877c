"""A method says which tensors of a base train and are stored for each user.

It attaches them to a model as a context manager, and leaves the model bitwise as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.errors import MethodError

if TYPE_CHECKING:
    import torch
    from torch import nn


class Method(Protocol):
    """What is trained and stored for a user. A project's own method has these three members.

    It may also have ``first_order``, a bool: whether its gradient at the start says what it can do
    near there. Without it ``training.has_first_order`` looks at the gradient.
    """

    name: str
    version: int

    def attached(self, model: nn.Module) -> AbstractContextManager[dict[str, torch.Tensor]]:
        """Enter with the tensors that train, by name; on leaving, the base is as it was."""
        ...


@contextmanager
def _trained(model: nn.Module, names: Iterable[str]) -> Iterator[dict[str, torch.Tensor]]:
    """Let parameters train; on leaving, restore their values."""
    import torch

    tensors: dict[str, torch.Tensor] = {name: model.get_parameter(name) for name in names}
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            raise MethodError(f"{name}: {tensor.dtype}; what trains must be float32")
    before = snapshot(tensors)
    for tensor in tensors.values():
        tensor.requires_grad_(True)
    try:
        yield tensors
    finally:
        for tensor in tensors.values():
            tensor.requires_grad_(False)
            tensor.grad = None
        restore(tensors, before)


def snapshot(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Copies of tensors as fp32 arrays on the CPU."""
    return {
        name: tensor.detach().to("cpu", copy=True).float().numpy()
        for name, tensor in tensors.items()
    }


def restore(
    tensors: Mapping[str, torch.Tensor], values: Mapping[str, npt.NDArray[np.float32]]
) -> None:
    """Copy values into tensors, bitwise.

    Raises:
        MethodError: the names or shapes are not those of the tensors.
    """
    import torch

    expected = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    found = {name: value.shape for name, value in values.items()}
    if expected != found:
        strange = sorted({*expected.items()} ^ {*found.items()})[0]
        raise MethodError(
            f"adapter does not fit the base: {len(found)} tensors, expected {len(expected)}; "
            f"first difference: {strange[0]} {strange[1]}"
        )
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(torch.from_numpy(values[name]))
