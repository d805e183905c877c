"""Stacking lets many adapters of one base pass the model as one batch.

The adapters share the base and differ only in the tensors that the method trains. The rows of all
adapters pass the model together. Each module that has such a tensor runs under
``torch.func.vmap``, with one tensor for each adapter. The model's code stays that of transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.func import functional_call, vmap

from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models import LMHead, hidden_states, score_copies
from pytest_noisefloor.specs import Scoring

from .methods.base import Method, restore, snapshot

if TYPE_CHECKING:
    from pytest_noisefloor._typing import Ids

Stack = dict[str, torch.Tensor]
"""The tensors of G adapters by name, each (G, *shape)."""

PROBE_TOLERANCE = 1e-4
"""How far stacked and single hidden states may differ, as a share of the largest value.

fp32 rounding stays below 1e-5. The two adapters of the check differ from each other by tenths.
"""


class StackError(NoisefloorError):
    """A base or method whose adapters cannot pass the model as one batch."""


class _Stacked(nn.Module):
    """Runs a module once for each adapter, with that adapter's tensors and rows."""

    def __init__(self, inner: nn.Module, values: Stack, count: int) -> None:
        super().__init__()
        self.inner = inner
        self._values = values
        self._count = count

    def forward(self, rows: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The module's output for rows (G · n, …), of which each n in a row are one adapter's."""

        def inner(values: Stack, own_rows: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = functional_call(self.inner, values, (own_rows, *args), kwargs)
            return out

        out: torch.Tensor = vmap(inner)(self._values, rows.view(self._count, -1, *rows.shape[1:]))
        return out.flatten(0, 1)


@contextmanager
def stacked(model: nn.Module, tensors: Mapping[str, torch.Tensor], count: int) -> Iterator[Stack]:
    """Replace a method's tensors by ``count`` copies of them; on leaving the model is as it was.

    Of the rows (count · batch, sequence) that pass the model meanwhile, the first ``batch`` belong
    to the first copy, the next to the second, and so on. Only the copies train.

    Raises:
        StackError: a tensor is not a parameter of a module that can run once for each copy.
    """
    stack = {
        name: tensor.detach().expand(count, *tensor.shape).clone().requires_grad_()
        for name, tensor in tensors.items()
    }
    swapped: list[tuple[str, nn.Module]] = []
    try:
        for path, leaves in _owners(model, tensors).items():
            inner = model.get_submodule(path)
            values = {leaf: stack[name] for leaf, name in leaves.items()}
            model.set_submodule(path, _Stacked(inner, values, count))
            swapped.append((path, inner))
        yield stack
    finally:
        for path, inner in reversed(swapped):
            model.set_submodule(path, inner)


def _owners(model: nn.Module, tensors: Mapping[str, torch.Tensor]) -> dict[str, dict[str, str]]:
    """Which modules own the tensors: module path → parameter name in it → name of the tensor."""
    names = {id(tensor): name for name, tensor in tensors.items()}
    owners: dict[str, dict[str, str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for leaf, parameter in module.named_parameters(recurse=False):
            if id(parameter) in names:
                owners.setdefault(path, {})[leaf] = names[id(parameter)]
    missing = set(names.values()) - {name for leaves in owners.values() for name in leaves.values()}
    if missing or "" in owners:
        strange = sorted(missing) or list(owners[""])
        raise StackError(
            f"{strange[0]}: not a parameter of a module inside {type(model).__name__}, "
            "so adapters of it cannot be stacked"
        )
    return owners


def check_stackable(model: nn.Module, head: LMHead, method: Method) -> None:
    """Check on a few tokens that two stacked adapters give what they give one at a time.

    Raises:
        StackError: this architecture or method cannot be stacked, with the reason.
    """
    with method.attached(model) as tensors:
        check_stackable_output(model, head, method, tensors)


@torch.no_grad()
def check_stackable_output(
    model: nn.Module, head: LMHead, method: Method, tensors: Mapping[str, torch.Tensor]
) -> None:
    """``check_stackable`` for a method that is attached already; its tensors keep their values."""
    if any(tensor is head.weight for tensor in tensors.values()):
        raise StackError(f"{method.name}: trains the output embeddings, which are shared")
    ids = torch.arange(16, device=head.weight.device).view(2, 8) * 7919 % head.weight.shape[0]
    initial = snapshot(tensors)
    shifted: list[Tensors] = [
        {
            name: value
            + (0.1 * np.cos(np.arange(value.size) + at)).astype(np.float32).reshape(value.shape)
            for name, value in initial.items()
        }
        for at in (1, 2)
    ]
    with stacked(model, tensors, 2) as stack:
        load_stack(stack, shifted)
        try:
            found = hidden_states(model, ids)
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error).strip().split("\n", 1)[0]
            raise StackError(
                f"{type(model).__name__}, {method.name}: adapters cannot be stacked ({reason})"
            ) from None
    single = []
    for values, row in zip(shifted, ids, strict=True):
        restore(tensors, values)
        single.append(hidden_states(model, row[None]))
    restore(tensors, initial)
    expected = torch.cat(single)
    apart = float((found - expected).abs().max() / expected.abs().max())
    if not apart <= PROBE_TOLERANCE:
        raise StackError(
            f"{type(model).__name__}, {method.name}: stacked adapters give other hidden states "
            f"than one at a time, by {apart:.1e} of the largest"
        )


def score_stacked(
    model: nn.Module,
    head: LMHead,
    method: Method,
    adapters: Sequence[Tensors],
    tokens: Ids,
    prefix: int,
    scoring: Scoring,
) -> npt.NDArray[np.float32]:
    """Score one text (n,) under each of G adapters as one batch → (G, n), nats.

    Raises:
        StackError: this architecture or method cannot be stacked.
        MethodError: an adapter does not fit the base.
        ScoringError: there are no tokens, or a score is not finite.
    """
    with method.attached(model) as tensors:
        check_stackable_output(model, head, method, tensors)
        with stacked(model, tensors, len(adapters)) as stack:
            load_stack(stack, adapters)
            return score_copies(model, head, tokens, prefix, scoring, copies=len(adapters))


def load_stack(stack: Stack, adapters: Sequence[Mapping[str, npt.NDArray[np.float32]]]) -> None:
    """Copy each adapter's values into its part of a stack, bitwise.

    Raises:
        MethodError: the names or shapes are not those of the stack.
    """
    for at, values in enumerate(adapters):
        restore({name: tensor.detach()[at] for name, tensor in stack.items()}, values)
