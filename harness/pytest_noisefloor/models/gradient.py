"""The gradient of held-out NLL, over the same windows that score the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from pytest_noisefloor.specs import Scoring

from .cross_entropy import mean_loss
from .head import LMHead, hidden_states
from .hidden_noise import noisy_blocks
from .scoring import window_batches

if TYPE_CHECKING:
    from torch import nn

    from pytest_noisefloor._typing import Ids

BATCH_TOKENS = 1024
"""Inputs in one pass, as in a step of the registered recipe. What is kept for the backward pass
takes many times the memory of scoring. It changes gradients only by rounding."""


def add_gradients(
    model: nn.Module,
    head: LMHead,
    texts: Sequence[Ids],
    prefix: int,
    scoring: Scoring,
    on_tokens: Callable[[int], None] = lambda _: None,
) -> bool:
    """Differentiate the mean NLL of all tokens of ``texts``, (n,) each, as ``score`` scores them.

    Every token counts once, with the context that it is scored with. The gradient, in nats per
    token, is added to the ``grad`` of each tensor that requires one.

    Args:
        model: The base.
        head: Its output embeddings.
        texts: Documents, each behind a prefix of its own.
        prefix: The token in front of each document.
        scoring: Windows, stride and noise.
        on_tokens: Called after every pass with the number of tokens that it scored.

    Returns:
        Whether the NLL depends on any tensor that requires a gradient.

    Raises:
        ScoringError: a text has no tokens.
        NoiseError: noise is asked for, but the model's blocks cannot be found.
    """
    count = sum(map(len, texts))
    for tokens in texts:
        for batch in window_batches(tokens, prefix, scoring, most=BATCH_TOKENS):
            ids, targets = (
                torch.from_numpy(each).to(head.weight.device) for each in (batch.ids, batch.targets)
            )
            with noisy_blocks(model, scoring.noise, batch.firsts):
                hidden = hidden_states(model, ids)[:, -targets.shape[1] :]
            loss = mean_loss(hidden.flatten(0, 1), targets.flatten(), head)
            if not loss.requires_grad:
                return False
            (loss * (targets.numel() / count)).backward()  # type: ignore[no-untyped-call]
            on_tokens(targets.numel())
    return True
