"""What a method must find in a base and leave there: tensors, modules, config and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from pytest_noisefloor.models import hidden_states, logits, probe_ids

from .checks import digests

if TYPE_CHECKING:
    from torch import Tensor, nn

ON_DEVICE = 1e-5
"""How far outputs may differ on an accelerator, whose sums have no fixed order.

A share of the largest. On a CPU they must be the same to the last bit.
"""

OUTPUTS = ("hidden states", "logits")


class BaseState(NamedTuple):
    """A base as it stands.

    ``tensors`` has, of each parameter and buffer, which object it is, whether it wants a gradient,
    and the SHA-256 of its values. ``modules`` has, of each path, which object it is and which hooks
    it has. ``outputs`` are hidden states and logits of a probe of a few tokens.
    """

    model: nn.Module
    outputs: tuple[Tensor, Tensor]
    tensors: dict[str, tuple[object, ...]]
    modules: dict[str, tuple[object, ...]]
    config: str

    @classmethod
    def of(cls, model: nn.Module, rows: int) -> BaseState:
        """The state of a model with so many rows of embeddings."""
        outputs = outputs_of(model, rows)  # first, since some models fit their buffers to the text
        values = digests(model, skip={})
        parameters = dict(model.named_parameters(remove_duplicate=False))
        tensors: dict[str, tuple[object, ...]] = {
            name: (
                # of a buffer the object may change with the length of the text
                id(parameters[name]) if name in parameters else None,
                name in parameters and parameters[name].requires_grad,
                value,
            )
            for name, value in values.items()
        }
        modules = {path: _hooked(m) for path, m in model.named_modules(remove_duplicate=False)}
        inner: Any = model
        return cls(model, outputs, tensors, modules, str(inner.config.to_dict()))

    def difference(self, now: BaseState) -> str:
        """In which way another state differs from this one; empty if it does not."""
        if names := _differing(self.tensors, now.tensors):
            return (
                f"left {_count(names, 'tensor')} of the base changed, {names[0]} among them; "
                "expected the base as it was"
            )
        for what, before, after in zip(OUTPUTS, self.outputs, now.outputs, strict=True):
            if gap := apart(before, after):
                return (
                    f"left the base with other {what}, by {gap:.1e} of the largest; expected the "
                    "base as it was, without hooks or changed values"
                )
        if paths := _differing(self.modules, now.modules):
            return (
                f"left {_count(paths, 'module')} of the base replaced or with other hooks, "
                f"{paths[0] or 'the model'} among them; expected the base as it was"
            )
        if self.config != now.config:
            return "left the base's config changed; expected the base as it was"
        return ""


def outputs_of(model: nn.Module, rows: int) -> tuple[Tensor, Tensor]:
    """Hidden states and logits of a probe."""
    ids = probe_of(model, rows)
    with torch.no_grad():
        return hidden_states(model, ids).clone(), logits(model, ids).clone()


def probe_of(model: nn.Module, rows: int) -> Tensor:
    """The probe's token ids, on the model's device."""
    return probe_ids(rows, next(model.parameters()).device)


def apart(one: Tensor, other: Tensor) -> float:
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


def _hooked(module: nn.Module) -> tuple[object, ...]:
    """Which object a module is, its hooks, and the forward that was put in place of its class's."""
    held = vars(module)
    hooks = [(k, *map(id, v.values())) for k, v in held.items() if k.endswith("_hooks") and v]
    return id(module), tuple(hooks), id(held["forward"]) if "forward" in held else None


def _differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


def _count(names: list[str], what: str) -> str:
    return f"1 {what}" if len(names) == 1 else f"{len(names)} {what}s"
