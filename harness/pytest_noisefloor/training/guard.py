"""Believe no method: try each before it is used, and look at the base each time it has left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
import torch

from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.errors import MethodError
from pytest_noisefloor.models import HeadError, hidden_states, lm_head, probe_ids

from .checks import digests
from .methods.base import Method, restore, snapshot

if TYPE_CHECKING:
    from torch import Tensor, nn

ON_DEVICE = 1e-5
"""How far hidden states may differ on an accelerator, whose sums have no fixed order.

A share of the largest. On a CPU they must be the same to the last bit.
"""

SHIFT = 0.1
"""How far a trial moves values."""


class GuardedMethod:
    """A method that is tried on a model when it is first used there, and checked on each leaving.

    The trial attaches it twice, and leaves it with values that are not those it began with. Both
    times it must name the same tensors with the same values, and move the hidden states alike where
    the tensors are shifted. Every tensor must be one that the logits depend on, and the logits must
    be those of the base's own head, which is the one that is scored. After each use every tensor of
    the base must have its value, the hidden states and logits must be those of before, and no
    module may be in training mode, in which dropout draws. A method that was refused once stays so.

    Args:
        method: the method.
        rows: the base's rows of embeddings.
        spoiled: is called where the method left a model in another state than it found it in.

    Raises:
        MethodError: the method fails one of these.
    """

    def __init__(
        self, method: Method, rows: int, spoiled: Callable[[], None] = lambda: None
    ) -> None:
        self._method = method
        self._rows = rows
        self._spoiled = spoiled
        self._base: _State | None = None
        self._refusal = ""
        self.name = method.name
        self.version = method.version
        if (said := getattr(method, "first_order", None)) is not None:
            self.first_order: bool = said

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[dict[str, Tensor]]:
        """Enter with the tensors that train, by name; on leaving, the base is as it was."""
        if self._refusal:
            raise MethodError(self._refusal)
        if self._base is None or self._base.model is not model:
            base = self._state(model)
            self._try(base)
            self._base = base  # not before: a trial that was broken off is made again
        with self._left(self._base) as tensors:
            yield tensors

    @contextmanager
    def _left(self, base: _State) -> Iterator[dict[str, Tensor]]:
        kept = False
        try:
            with self._method.attached(base.model) as tensors:
                self._check_tensors(tensors)
                self._check_mode(base.model, "put")
                yield tensors
        except BaseException:
            # a method without try and finally leaves its values where a training breaks off
            with suppress(Exception):
                kept = not self._changed(base)
            raise
        else:
            if changed := self._changed(base):
                self._refuse(changed)
            kept = True
        finally:
            if not kept:
                self._spoiled()

    def _refuse(self, reason: str) -> NoReturn:
        self._refusal = f"{self.name}: {reason}"
        raise MethodError(self._refusal)

    def _try(self, base: _State) -> None:
        one, other = self._entry(base), self._entry(base)
        if {n: v.shape for n, v in one[0].items()} != {n: v.shape for n, v in other[0].items()}:
            self._refuse("names other tensors the second time it is attached")
        for name, values in one[0].items():
            if not np.array_equal(values, other[0][name], equal_nan=True):
                self._refuse(
                    f"{name} starts from other values the second time it is attached; every "
                    "adapter must start alike"
                )
        if apart := _apart(one[1], other[1]):
            self._refuse(
                "the same adapter gives other hidden states the second time it is attached, by "
                f"{apart:.1e} of the largest"
            )

    def _entry(self, base: _State) -> tuple[Tensors, Tensor]:
        """Attach the method once: what its tensors start from, and the states if all are moved.

        It is left with its tensors moved, as a training leaves it.
        """
        with self._left(base) as tensors:
            initial = snapshot(tensors)
            self._check_reached(base.model, tensors)
            restore(tensors, {name: _shifted(values) for name, values in initial.items()})
            states, _ = self._outputs(base.model)
            if not torch.isfinite(states).all():
                self._refuse(
                    f"hidden states are no numbers where its tensors are moved by {SHIFT}; "
                    "expected numbers near the values it starts from"
                )
            self._check_head(base)
        return initial, states

    def _check_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        if not tensors:
            self._refuse("names no tensors; expected those that train")
        for name, tensor in tensors.items():
            if not isinstance(tensor, torch.Tensor):
                self._refuse(f"{name} is a {type(tensor).__name__}; expected a tensor")
            if tensor.dtype != torch.float32:
                self._refuse(
                    f"{name} is {tensor.dtype}; expected torch.float32, which can represent the "
                    "steps of a training"
                )
            if not (tensor.is_leaf and tensor.requires_grad):
                self._refuse(f"{name} cannot train; expected a leaf tensor that requires grad")

    def _check_reached(self, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
        with torch.enable_grad():
            logits = self._logits(model)
        if not logits.requires_grad:
            return  # the loss may depend on them by another way: the training says so
        found = torch.autograd.grad(logits.sum(), list(tensors.values()), allow_unused=True)
        missed = [
            name
            for name, gradient in zip(tensors, found, strict=True)
            # a probe is too short to go to every expert
            if gradient is None and "expert" not in name
        ]
        if missed:
            self._refuse(
                f"{len(missed)} of {len(tensors)} tensors do nothing on text, {missed[0]} among "
                "them; expected a base without them, or a method that leaves them out"
            )

    def _check_head(self, base: _State) -> None:
        """What is scored is hidden states times the weight that the head had before."""
        try:
            head = lm_head(base.model)
        except HeadError as error:
            self._refuse(f"with its tensors moved, {error}")
        if head.weight.data_ptr() != base.head:
            self._refuse(
                "puts other output embeddings in place of the base's, which are those that are "
                "scored; expected the base's own, changed in place"
            )

    def _check_mode(self, model: nn.Module, what: str) -> None:
        if training := _training(model):
            self._refuse(f"{what} {training}")

    def _changed(self, base: _State) -> str:
        """In which way a model is another than it was; empty if it is the same."""
        if training := _training(base.model):
            return f"left {training}"
        now = self._state(base.model)
        names = [n for n in {**base.digests, **now.digests} if _differ(n, base, now)]
        if names:
            return (
                f"left {len(names)} tensors of the base changed, {names[0]} among them; expected "
                "the base as it was"
            )
        for what, one, other in (
            ("hidden states", base.states, now.states),
            ("logits", base.logits, now.logits),
        ):
            if apart := _apart(one, other):
                return (
                    f"left the base with other {what}, by {apart:.1e} of the largest; expected "
                    "the base as it was, without hooks or changed values"
                )
        return ""

    def _state(self, model: nn.Module) -> _State:
        return _State(model, digests(model, skip={}), *self._outputs(model), _head_at(model))

    @torch.no_grad()
    def _outputs(self, model: nn.Module) -> tuple[Tensor, Tensor]:
        """Hidden states and logits of the probe."""
        states = hidden_states(model, self._ids(model)).detach().clone()
        return states, self._logits(model).detach().clone()

    def _logits(self, model: nn.Module) -> Tensor:
        inner: Any = model
        logits: Tensor = inner(input_ids=self._ids(model), use_cache=False).logits
        return logits

    def _ids(self, model: nn.Module) -> Tensor:
        return probe_ids(self._rows, next(model.parameters()).device)


class _State(NamedTuple):
    """What a method must find and leave."""

    model: nn.Module
    digests: dict[str, str]
    states: Tensor
    logits: Tensor
    head: int
    """Where in memory the weight of the head lies."""


def _head_at(model: nn.Module) -> int:
    inner: Any = model
    address: int = inner.get_output_embeddings().weight.data_ptr()
    return address


def _differ(name: str, one: _State, other: _State) -> bool:
    return one.digests.get(name) != other.digests.get(name)


def _training(model: nn.Module) -> str:
    """Which modules are in training mode; empty if none is."""
    paths = [path or "the model" for path, m in model.named_modules() if m.training]
    if not paths:
        return ""
    return (
        f"{len(paths)} modules in training mode, {paths[0]} among them; expected evaluation mode, "
        "in which dropout draws nothing"
    )


def _shifted(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    waves = SHIFT * np.cos(np.arange(values.size, dtype=np.float32))
    return values + waves.reshape(values.shape).astype(np.float32)


def _apart(one: Tensor, other: Tensor) -> float:
    """How far outputs differ, as a share of the largest; 0 within what the device may round.

    Infinite if their shapes differ or they are no numbers.
    """
    if one.shape != other.shape:
        return float("inf")
    if torch.equal(one, other):
        return 0.0
    found = float((one - other).abs().max() / one.abs().max())
    if found != found:  # noqa: PLR0124 (NaN)
        return float("inf")
    return 0.0 if one.device.type != "cpu" and found <= ON_DEVICE else found
