"""The tiny base: a Llama of a few thousand parameters, made in memory to prove the machinery."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_noisefloor.specs import canonical_json

from .base import Base
from .device import plain_torch

if TYPE_CHECKING:
    from pytest_noisefloor._typing import Ids


TINY_CONFIG: dict[str, Any] = {
    "vocab_size": 257,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
"""A Llama of a few thousand parameters, with one token per byte and an end-of-text token."""


@dataclass(frozen=True)
class ByteTokenizer:
    """UTF-8 bytes as tokens."""

    prefix: int = 256

    @property
    def text_ids(self) -> Ids:
        """The bytes that UTF-8 has."""
        return np.array([*range(0xC0), *range(0xC2, 0xF5)], dtype=np.int64)

    def encode(self, text: str) -> Ids:
        """Byte values (n,) of a text."""
        return np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int64)

    def name(self, token: int) -> str | None:
        """The text of a token, for messages."""
        return chr(token) if token <= self.prefix else None


def tiny_base() -> Base:
    """Make the tiny base. A fixed seed draws its weights, and torch's own state is left alone."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng(devices=[]), plain_torch("cpu"):
        torch.manual_seed(60)  # noqa: TID251 (of the forked state)
        weights = LlamaForCausalLM(LlamaConfig(**TINY_CONFIG)).state_dict()

    def load() -> Any:
        model = LlamaForCausalLM(LlamaConfig(**TINY_CONFIG))
        model.load_state_dict(weights)
        return model

    total = hashlib.sha256(canonical_json(TINY_CONFIG).encode())
    for name in sorted(weights):
        total.update(weights[name].numpy().tobytes())
    return Base("tiny", total.hexdigest(), load, ByteTokenizer, planted=True)
