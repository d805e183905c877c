"""Adapters that others trained: PEFT folders, read without pickle and attached by PEFT."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_noisefloor._files import shown
from pytest_noisefloor.errors import NoisefloorError

from .fingerprint import json_object
from .tokenizer import one_line

if TYPE_CHECKING:
    from torch import Tensor, nn

_NOT_IN_MODULES = {
    *("PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "CARTRIDGE"),
    *("ADAPTION_PROMPT", "XLORA"),
}
"""Types that put tokens or states in front of the text, or name adapters of other folders."""

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


class AdapterError(NoisefloorError):
    """An adapter that cannot be read, or that does not fit the base."""


@dataclass(frozen=True)
class GivenAdapter:
    """An adapter that was trained elsewhere. Its name is that of its folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name, which is the user's where each user has one."""
        return self.folder.resolve().name

    @cached_property
    def config(self) -> dict[str, Any]:
        """The content of ``adapter_config.json``.

        Raises:
            BaseError: it is no JSON object.
        """
        return json_object(self.folder / CONFIG)

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """The stored tensors, by the names of the file.

        Raises:
            AdapterError: the weights are pickled, missing or damaged.
        """
        from safetensors.torch import load_file

        file = self.folder / WEIGHTS
        if not file.is_file():
            raise AdapterError(
                f"{self.folder}: expected {WEIGHTS} beside {CONFIG} (pickled weights are never "
                "read; PEFT's save_pretrained writes safetensors)"
            )
        try:
            return load_file(file)
        except Exception as error:  # noqa: BLE001 (safetensors raises errors of its own)
            raise AdapterError(f"{file}: no usable safetensors ({one_line(error)})") from None

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of names and values."""
        import torch

        total = hashlib.sha256()
        for name, tensor in sorted(self.tensors.items()):
            total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
            values: Any = tensor.contiguous().view(-1).view(torch.uint8).numpy()
            total.update(values)
        return total.hexdigest()

    def check_supported(self) -> None:
        """Refuse what cannot be put into a base.

        Raises:
            AdapterError: PEFT is not installed, or the adapter changes no module of the base.
            BaseError: the config is no JSON object.
        """
        try:
            import peft
        except ImportError as error:
            raise AdapterError(
                f"{self.folder}: needs PEFT ({error}): pip install 'pytest-noisefloor[catalogue]'"
            ) from None
        kind = self.config.get("peft_type")
        if str(kind) not in {one.value for one in peft.PeftType} - _NOT_IN_MODULES:
            raise AdapterError(
                f"{self.folder / CONFIG}: peft_type is {shown(kind)}; expected a type that changes "
                "modules of the base, such as LORA, IA3 or LN_TUNING"
            )
        if self.config.get("megatron_config") is not None:
            # PEFT then imports a module that the config names
            raise AdapterError(
                f"{self.folder / CONFIG}: it has a megatron_config; expected none, since PEFT "
                "would run code that the config names"
            )


def find_adapters(where: Path) -> list[GivenAdapter]:
    """The adapter in a folder, or those in the folders below it, sorted by name.

    Raises:
        AdapterError: there is none.
    """
    if (where / CONFIG).is_file():
        return [GivenAdapter(where)]
    found = [GivenAdapter(file.parent) for file in sorted(where.glob(f"*/{CONFIG}"))]
    if not found:
        raise AdapterError(
            f"{where}: no adapters; expected {CONFIG} in it, or in a folder for each user"
        )
    return found


@dataclass(frozen=True)
class Attached:
    """An adapter as PEFT has put it into a model."""

    tensors: dict[str, Tensor]
    """What the adapter trains, by the names that a file gives it. They want a gradient."""
    targeted: list[str]
    """Paths of the modules that were replaced."""
    asked: set[str]
    """Names of the tensors that the config asks for."""
    missing: list[str]
    """Those of them that the file has not."""
    unexpected: list[str]
    """Names of tensors that the file has and that find no place."""


@contextmanager
def attached(model: nn.Module, given: GivenAdapter) -> Iterator[Attached]:
    """Put an adapter into a model in evaluation mode, as PEFT reads it; on leaving it is gone.

    Some configs make PEFT change weights of the base itself, so use a model that nobody else needs.

    Raises:
        AdapterError: PEFT cannot put the adapter into this model.
    """
    import torch
    from peft import PeftConfig, PeftModel, get_peft_model_state_dict, set_peft_model_state_dict

    tensors = given.tensors
    with modules_kept(model):
        try:
            # PEFT draws what the file then replaces, and warns of what is looked at here
            with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                config = PeftConfig.from_pretrained(str(given.folder))
                config.inference_mode = False
                wrapped: Any = PeftModel(model, config)
                asked = {*get_peft_model_state_dict(wrapped, save_embedding_layers=False)}
                set_peft_model_state_dict(wrapped, tensors)
        except Exception as error:  # noqa: BLE001 (PEFT raises errors of many classes)
            raise AdapterError(f"it does not fit the base ({one_line(error)})") from None
        model.eval()  # PEFT's modules are in training mode, in which dropout draws
        yield Attached(
            {
                name.replace(".default", ""): tensor
                for name, tensor in wrapped.named_parameters()
                if tensor.requires_grad
            },
            [*wrapped.base_model.targeted_module_names],
            asked,
            sorted(asked - {*tensors}),
            # weights of the base may be saved beside the adapter's own
            sorted({*tensors} - asked - {*wrapped.state_dict()}),
        )


@contextmanager
def modules_kept(model: nn.Module) -> Iterator[None]:
    """On leaving, put each module back in its place, and remove what PEFT stored in the model."""
    before = dict(model.named_modules(remove_duplicate=False))
    try:
        yield
    finally:
        for path, module in before.items():  # outer modules come before the modules inside them
            if path and model.get_submodule(path) is not module:
                model.set_submodule(path, module)
        vars(model).pop("peft_config", None)
