"""Methods: which tensors of a base train and are stored for each user.

A method is entered and left like a context manager and gives the base back bitwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from .errors import MethodError, NoisefloorError
from .lora import Lora
from .own import imported, is_import_path

if TYPE_CHECKING:
    import torch
    from torch import nn

Tensors = dict[str, npt.NDArray[np.float32]]
"""An adapter's content: name → fp32 values."""


class Method(Protocol):
    """What is trained and stored for a user. Anybody's own method has these three members."""

    name: str
    version: int

    def attached(self, model: nn.Module) -> AbstractContextManager[dict[str, torch.Tensor]]:
        """Enter with the tensors that train, by name; leave with the base as it was."""
        ...


class NormOnly:
    """The gains alone: the scale vector of every normalisation layer, 4 bytes a channel.

    Biases of LayerNorms stay frozen. Gemma's ``1 + weight`` trains ``weight``.
    """

    name = "norm-only"
    version = 1

    def attached(self, model: nn.Module) -> AbstractContextManager[dict[str, torch.Tensor]]:
        """Let the gains train, and put their values back on leaving.

        Raises:
            MethodError: a gain that is not fp32, or a norm that could not be placed.
        """
        return _trained(model, gain_names(model))


class Full:
    """All parameters of the base; where two modules share one, it trains once."""

    name = "full"
    version = 1

    def attached(self, model: nn.Module) -> AbstractContextManager[dict[str, torch.Tensor]]:
        """Let all parameters train, and put their values back on leaving.

        Raises:
            MethodError: a parameter that is not fp32.
        """
        return _trained(model, [name for name, _ in model.named_parameters()])


@contextmanager
def _trained(model: nn.Module, names: Iterable[str]) -> Iterator[dict[str, torch.Tensor]]:
    """Let parameters train, and put their values back on leaving."""
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


class Temperature:
    """One factor of all logits, 1 at first: calibration and nothing else (an inverse temperature).

    Guo et al. 2017 (arXiv:1706.04599) call it temperature scaling.
    """

    name = "temperature"
    version = 1

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[dict[str, torch.Tensor]]:
        """Multiply the last hidden states, and with them the logits; on leaving, no longer.

        Raises:
            MethodError: a head with a bias or a cap, whose logits are not multiplied with them.
        """
        import torch

        from .loss import head_of

        head = head_of(model)
        for part, value in (("bias", head.bias), ("cap", head.softcap)):
            if value is not None:
                raise MethodError(
                    f"{type(model).__name__}: its head has a {part}, so that hidden states times a "
                    f"factor are not logits times it; {self.name} needs a head without"
                )
        factor = torch.ones(1, device=head.weight.device, requires_grad=True)

        def scaled(_: nn.Module, __: tuple[object, ...], output: Any) -> Any:
            output.last_hidden_state = output.last_hidden_state * factor
            return output

        backbone: Any = model.base_model
        handle = backbone.register_forward_hook(scaled)
        try:
            yield {"temperature": factor}
        finally:
            handle.remove()


METHODS: dict[str, Method] = {
    method.name: method for method in (NormOnly(), Full(), Temperature(), Lora(rank=4))
}
"""The methods that come with the suite."""


def is_method(words: str) -> bool:
    """Whether words name a method: a shipped one's name, or the import path of anybody's own."""
    return words in METHODS or is_import_path(words)


def open_method(words: str) -> Method:
    """A shipped method by its name, or anybody's own by its import path, ``package.module:object``.

    Raises:
        MethodError: nothing of that name, or an object that is no method or bears a shipped one's
            name.
    """
    if words in METHODS:
        return METHODS[words]
    try:
        members = {"name": str, "version": int, "attached": Callable}
        found: Method = imported(words, members, METHODS)
    except NoisefloorError as error:
        raise MethodError(f"method {error}") from error.__cause__
    return found


def gain_names(model: nn.Module) -> list[str]:
    """Names of all gains of a model, in its own order.

    A normalisation layer is a module whose class name contains "norm", as in all architectures
    of transformers looked at; its gain is its one-dimensional ``weight``. A layer without any
    parameter has no gain. Two lookalikes stop the search rather than being passed over: a norm
    whose scale is not called ``weight``, and a one-dimensional scale outside a norm class.

    Raises:
        MethodError: such a lookalike, by its module's name; or no gain at all.
    """
    names: list[str] = []
    for path, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if "norm" in type(module).__name__.lower():
            gain = own.get("weight")
            if gain is not None and gain.ndim == 1:
                names.append(f"{path}.weight" if path else "weight")
                continue
            strange = list(own)
        else:
            strange = [n for n, p in own.items() if p.ndim == 1 and n in _SCALE_NAMES]
        if strange:
            raise MethodError(
                f"{path or 'model'} ({type(module).__name__}): cannot place {', '.join(strange)}; "
                "expected a norm with a one-dimensional weight, or no scale vector at all"
            )
    if not names:
        raise MethodError(f"{type(model).__name__}: no normalisation layer with a gain")
    return names


_SCALE_NAMES = frozenset({"weight", "scale", "gain", "gamma", "g"})


def snapshot(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Copies of tensors as fp32 arrays on the CPU."""
    return {
        name: tensor.detach().to("cpu", copy=True).float().numpy()
        for name, tensor in tensors.items()
    }


def restore(
    tensors: Mapping[str, torch.Tensor], values: Mapping[str, npt.NDArray[np.float32]]
) -> None:
    """Write values into tensors, bitwise.

    Raises:
        MethodError: names or shapes that are not those of the tensors.
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
