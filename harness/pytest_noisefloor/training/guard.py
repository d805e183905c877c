"""Believe no method: try each before it is used, and look at the base each time it has left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import numpy.typing as npt
import torch

from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.errors import MethodError
from pytest_noisefloor.models import HeadError, LMHead, lm_head, logits

from .base_state import OUTPUTS, BaseState, apart, outputs_of, probe_of
from .methods.base import Method, restore, snapshot

if TYPE_CHECKING:
    from torch import Tensor, nn

SHIFT = 0.1
"""How far a trial shifts each value, at most."""


class GuardedMethod:
    """A method that is tried on a model when it is first used there, and checked on each leaving.

    The trial attaches it twice, and shifts its tensors before it leaves. Both times it must name
    the same tensors with the same values, and the shifted tensors must give the same hidden states
    and logits. The logits must depend on every tensor, and must be those of the base's own head,
    since that head is scored. After each use the base must be as it was (``BaseState``), and no
    module may be in training mode, in which dropout draws. A method that was refused once stays
    refused.

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
        self._base: BaseState | None = None
        self._head: LMHead | None = None
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
            self._head = lm_head(model)
            base = self._state(model)
            self._try(base)
            self._base = base  # not before: a trial that was broken off is made again
        with self._left(self._base) as tensors:
            yield tensors

    @contextmanager
    def _left(self, base: BaseState) -> Iterator[dict[str, Tensor]]:
        kept = False
        try:
            manager = self._method.attached(base.model)
            if not isinstance(manager, AbstractContextManager):
                self._refuse(
                    f"attached gives a {type(manager).__name__}; expected a context manager"
                )
            with manager as tensors:
                self._check_tensors(tensors)
                if training := _training(base.model):
                    self._refuse(f"put {training}")
                yield tensors
        except BaseException:
            # a method without try and finally leaves its values where a training breaks off
            kept = not self._changed(base)
            raise
        else:
            if changed := self._changed(base):
                self._refuse(changed)
            kept = True
        finally:
            if not kept:
                self._base = self._head = None
                self._spoiled()

    def _refuse(self, reason: str) -> NoReturn:
        self._refusal = f"{self.name}: {reason}"
        raise MethodError(self._refusal)

    def _try(self, base: BaseState) -> None:
        one, other = self._entry(base), self._entry(base)
        if {n: v.shape for n, v in one[0].items()} != {n: v.shape for n, v in other[0].items()}:
            self._refuse("names other tensors the second time it is attached")
        for name, values in one[0].items():
            if not np.array_equal(values, other[0][name], equal_nan=True):
                self._refuse(
                    f"{name} starts from other values the second time it is attached; every "
                    "adapter must start alike"
                )
        for what, first, second in zip(OUTPUTS, one[1], other[1], strict=True):
            if gap := apart(first, second):
                self._refuse(
                    f"the same adapter gives other {what} the second time it is attached, by "
                    f"{gap:.1e} of the largest"
                )

    def _entry(self, base: BaseState) -> tuple[Tensors, tuple[Tensor, Tensor]]:
        """Attach the method once: what its tensors start from, and the outputs if all are shifted.

        It leaves with shifted tensors, as it does after a training.
        """
        with self._left(base) as tensors:
            initial = snapshot(tensors)
            self._check_reached(base.model, tensors)
            restore(tensors, {name: _shifted(values) for name, values in initial.items()})
            outputs = outputs_of(base.model, self._rows)
            if not all(torch.isfinite(one).all() for one in outputs):
                self._refuse(
                    f"its outputs are no numbers where its tensors are moved by {SHIFT}; expected "
                    "numbers near the values it starts from"
                )
            self._check_head(base.model)
        return initial, outputs

    def _check_tensors(self, tensors: object) -> None:
        if not isinstance(tensors, dict):
            self._refuse(f"gives a {type(tensors).__name__}; expected tensors by name, in a dict")
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
            output = logits(model, probe_of(model, self._rows))
        if not output.requires_grad:
            return  # the loss may depend on them by another way: the training says so
        found = torch.autograd.grad(output.sum(), list(tensors.values()), allow_unused=True)
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

    def _check_head(self, model: nn.Module) -> None:
        """Scores are computed with the head that the base had before the method was attached."""
        try:
            head = lm_head(model)
        except HeadError as error:
            self._refuse(f"with its tensors moved, {error}")
        if self._head is None or _parts(head) != _parts(self._head):
            self._refuse(
                "puts other output embeddings in place of the base's, which are those that are "
                "scored; expected the base's own, changed in place"
            )

    def _changed(self, base: BaseState) -> str:
        """In which way a model is another than it was; empty if it is the same."""
        if training := _training(base.model):
            return f"left {training}"
        try:
            return base.difference(self._state(base.model))
        except Exception as error:  # noqa: BLE001 (whatever the model raises now)
            return f"left a model that fails ({type(error).__name__}: {error})"

    def _state(self, model: nn.Module) -> BaseState:
        return BaseState.of(model, self._rows)


def _parts(head: LMHead) -> tuple[object, ...]:
    """Where a head's tensors lie in memory, and what it does to logits."""
    bias = None if head.bias is None else head.bias.data_ptr()
    return head.weight.data_ptr(), bias, head.scale, head.softcap


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
