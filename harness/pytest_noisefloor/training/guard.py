"""Believe no method: try each before it is used, and look at the base each time it has left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.errors import MethodError
from pytest_noisefloor.models import hidden_states, probe_ids

from .methods.base import Method, restore, snapshot

if TYPE_CHECKING:
    from torch import Tensor, nn

ON_DEVICE = 1e-5
"""How far hidden states may differ on an accelerator, whose sums have no fixed order.

A share of the largest. On a CPU they must be the same to the last bit.
"""


class GuardedMethod:
    """A method that is tried on a model when it is first used there, and checked on each leaving.

    The trial attaches it twice. Both times it must name the same tensors with the same values, move
    the hidden states alike where the tensors are shifted, and every tensor must be one that the
    hidden states depend on. After each use the base must give the hidden states that it gave
    before, and no module may be in training mode, in which dropout draws.

    Raises:
        MethodError: the method fails one of these.
    """

    def __init__(self, method: Method, rows: int) -> None:
        self._method = method
        self._rows = rows
        self._before: tuple[nn.Module, Tensor] | None = None
        self.name = method.name
        self.version = method.version
        if (said := getattr(method, "first_order", None)) is not None:
            self.first_order: bool = said

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[dict[str, Tensor]]:
        """Enter with the tensors that train, by name; on leaving, the base is as it was."""
        if self._before is None or self._before[0] is not model:
            self._before = (model, self._states(model))
            self._try(model)
        with self._left(model) as tensors:
            yield tensors

    @contextmanager
    def _left(self, model: nn.Module) -> Iterator[dict[str, Tensor]]:
        with self._method.attached(model) as tensors:
            self._check_mode(model, "put")
            yield tensors
        self._check_mode(model, "left")
        assert self._before is not None  # noqa: S101 (for the type checker)
        before = self._before[1]
        apart = _apart(before, self._states(model))
        if apart > (0.0 if before.device.type == "cpu" else ON_DEVICE):
            raise MethodError(
                f"{self.name}: left the base with other hidden states, by {apart:.1e} of the "
                "largest; expected the base as it was, without hooks or changed values"
            )

    def _try(self, model: nn.Module) -> None:
        one, other = self._entry(model), self._entry(model)
        if {n: v.shape for n, v in one[0].items()} != {n: v.shape for n, v in other[0].items()}:
            raise MethodError(f"{self.name}: names other tensors the second time it is attached")
        for name, values in one[0].items():
            if not np.array_equal(values, other[0][name], equal_nan=True):
                raise MethodError(
                    f"{self.name}: {name} starts from other values the second time it is attached; "
                    "every adapter must start alike"
                )
        if (apart := _apart(one[1], other[1])) > (
            0.0 if one[1].device.type == "cpu" else ON_DEVICE
        ):
            raise MethodError(
                f"{self.name}: the same adapter gives other hidden states the second time it is "
                f"attached, by {apart:.1e} of the largest"
            )

    def _entry(self, model: nn.Module) -> tuple[Tensors, Tensor]:
        """Attach the method once: what its tensors start from, and the states if all are moved."""
        with self._left(model) as tensors:
            initial = snapshot(tensors)
            self._check_reached(model, tensors)
            restore(tensors, {name: _shifted(values) for name, values in initial.items()})
            states = self._states(model)
            restore(tensors, initial)
        return initial, states

    def _check_reached(self, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
        with torch.enable_grad():
            states = hidden_states(model, self._ids(model))
        if not states.requires_grad:
            return  # the loss may depend on them by another way: the training says so
        found = torch.autograd.grad(states.sum(), list(tensors.values()), allow_unused=True)
        missed = [
            name
            for (name, tensor), gradient in zip(tensors.items(), found, strict=True)
            # a probe is too short to go to every expert, and a head is behind the hidden states
            if gradient is None and "expert" not in name and not _is_head(model, tensor)
        ]
        if missed:
            raise MethodError(
                f"{self.name}: {len(missed)} of {len(tensors)} tensors do nothing on text, "
                f"{missed[0]} among them; expected a base without them, or a method that leaves "
                "them out"
            )

    def _check_mode(self, model: nn.Module, what: str) -> None:
        training = [path or "the model" for path, m in model.named_modules() if m.training]
        if training:
            raise MethodError(
                f"{self.name}: {what} {len(training)} modules in training mode, {training[0]} "
                "among them; expected evaluation mode, in which dropout draws nothing"
            )

    def _ids(self, model: nn.Module) -> Tensor:
        return probe_ids(self._rows, next(model.parameters()).device)

    def _states(self, model: nn.Module) -> Tensor:
        with torch.no_grad():
            return hidden_states(model, self._ids(model)).detach().clone()


def _is_head(model: nn.Module, tensor: Tensor) -> bool:
    head = getattr(model, "get_output_embeddings", lambda: None)()
    return head is not None and any(tensor is own for own in head.parameters())


def _shifted(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    waves = 0.1 * np.cos(np.arange(values.size, dtype=np.float32))
    return values + waves.reshape(values.shape).astype(np.float32)


def _apart(one: Tensor, other: Tensor) -> float:
    """How far states differ, as a share of the largest; infinite if their shapes do."""
    if one.shape != other.shape:
        return float("inf")
    if torch.equal(one, other):
        return 0.0
    found = float((one - other).abs().max() / one.abs().max())
    return found if found == found else float("inf")  # noqa: PLR0124 (NaN)
