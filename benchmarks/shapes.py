"""The models that are timed, with random weights, and how much work a step on one is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_noisefloor._typing import Ids
from pytest_noisefloor.data.arms import ARMS, ArmInput
from pytest_noisefloor.specs import Recipe

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Shape:
    """A Llama with tied embeddings, and the batch it is trained on."""

    hidden: int
    intermediate: int
    blocks: int
    heads: int
    kv_heads: int
    vocabulary: int = 49_152
    batch: int = 4
    sequence: int = 256

    @property
    def tokens(self) -> int:
        """Tokens that one step reads."""
        return self.batch * self.sequence

    def varied(self, *, batch: int, vocabulary: int) -> Shape:
        """The same model for another batch and vocabulary."""
        return replace(self, batch=batch, vocabulary=vocabulary)

    def model(self) -> nn.Module:
        """A frozen model in fp32; its weights are equal in every process."""
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.manual_seed(60)
        config = LlamaConfig(
            hidden_size=self.hidden,
            intermediate_size=self.intermediate,
            num_hidden_layers=self.blocks,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            vocab_size=self.vocabulary,
            tie_word_embeddings=True,
        )
        return LlamaForCausalLM(config).eval().requires_grad_(False)

    def recipe(self, steps: int) -> Recipe:
        """The registered recipe with this shape's batch."""
        return Recipe(steps=steps, batch=self.batch, sequence=self.sequence)

    def stream(self, steps: int, seed: int = 0) -> Iterator[Ids]:
        """The token ids (batch, sequence) of each step of a run, equal for all contenders."""
        material = ArmInput(
            user="benchmark",
            vocabulary=self.vocabulary,
            text=None,
            text_ids=np.arange(self.vocabulary),
        )
        return ARMS["random"].batches(material, self.recipe(steps), seed)

    def flops(self) -> dict[str, float]:
        """Floating-point operations of a training step that no exact method can leave out.

        A matrix of n weights costs 2n a token forward and 2n backward, to the activations alone
        since it is frozen; the vocabulary's projection only where a token follows. Causal
        attention multiplies T(T+1)/2 pairs twice forward and four times backward. Element-wise
        work is not counted.
        """
        keys = self.hidden * self.kv_heads // self.heads
        body = 2 * self.hidden * (self.hidden + keys) + 3 * self.hidden * self.intermediate
        predicted = self.batch * (self.sequence - 1)
        pairs = self.batch * self.sequence * (self.sequence + 1) / 2
        parts = {
            "blocks": 4.0 * self.tokens * self.blocks * body,
            "attention": 2.0 * 6 * self.blocks * pairs * self.hidden,
            "head": 4.0 * predicted * self.hidden * self.vocabulary,
        }
        return {**parts, "total": sum(parts.values())}


REFERENCE = "reference"
SHAPES = {
    REFERENCE: Shape(hidden=256, intermediate=688, blocks=4, heads=4, kv_heads=4),
    "smollm2-135m": Shape(hidden=576, intermediate=1536, blocks=30, heads=9, kv_heads=3),
}
"""15,747,328 parameters of which 2,304 gains, and 134,515,008 of which 35,136."""
