"""The base: a frozen pretrained causal LM with its tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_noisefloor.data import Tokenizer

from .device import plain_torch
from .tokenizer import TokenFacts

if TYPE_CHECKING:
    from torch import nn

    from pytest_noisefloor._typing import Ids


@dataclass(frozen=True)
class Base:
    """A named base. Its files are read once, when they are first needed.

    ``fingerprint`` covers config, weights and tokenizer. ``model_fingerprint`` covers config and
    weights. ``planted`` marks a base that only proves the machinery.
    """

    name: str
    fingerprint: str
    _load_model: Callable[[], Any]
    _load_tokenizer: Callable[[], Tokenizer]
    model_fingerprint: str = ""
    planted: bool = False
    _load_facts: Callable[[], TokenFacts] = TokenFacts

    @cached_property
    def facts(self) -> TokenFacts:
        """What the keys of scores need to know of the tokenizer."""
        return self._load_facts()

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that the base was trained with."""
        return self._load_tokenizer()

    def encode(self, text: str) -> Ids:
        """Token ids (n,) of a text. Each text is encoded once."""
        if text not in self._tokens:
            self._tokens[text] = self.tokenizer.encode(text)
        return self._tokens[text]

    @cached_property
    def _tokens(self) -> dict[str, Ids]:
        return {}

    def shared_model(self, device: str) -> nn.Module:
        """The copy of the model on a device that all runs share.

        Whatever attaches to it must restore it bitwise on detaching.
        """
        if device not in self._models:
            self._models[device] = self.model(device)
        return self._models[device]

    def forget_model(self, device: str) -> None:
        """Drop a device's shared model, which has changed; its next use loads it again."""
        self._models.pop(device, None)

    @cached_property
    def _models(self) -> dict[str, nn.Module]:
        return {}

    def model(self, device: str) -> nn.Module:
        """A fresh copy of the model: fp32, frozen, in evaluation mode, on a device.

        Dropout is off during training too, so that arms differ in nothing but their tokens.
        """
        import torch

        # building a model draws from torch's global random state
        with torch.random.fork_rng(devices=[]), plain_torch(device):
            model = self._load_model()
        model.eval().requires_grad_(False)
        frozen: nn.Module = model.to(device)
        return frozen
