"""Check that a model predicts each token from earlier tokens alone, and sees a whole window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_noisefloor.errors import BaseError

from .head import hidden_states

if TYPE_CHECKING:
    from torch import Tensor, nn

TOKENS = 16
"""Tokens of a probe."""

MOVED = 1e-4
"""How far an earlier state may move, as a share of the states' RMS, when a later token changes.

A mixture of experts rounds otherwise when a later token goes to another expert; rounding alone
stays below 1e-5. A model that sees the future moves its states by tenths.
"""


def probe_ids(rows: int, device: torch.device) -> Tensor:
    """Token ids (1, TOKENS) of a vocabulary with so many rows."""
    return (torch.arange(TOKENS) * 7919 % rows).to(device)[None]


@torch.no_grad()
def check_causal(model: nn.Module, rows: int) -> None:
    """Change the later tokens of a probe and look at the states of the earlier ones.

    Raises:
        BaseError: earlier states move, so the model would be scored on tokens that it has seen.
    """
    ids = probe_ids(rows, next(model.parameters()).device)
    kept = TOKENS // 2
    other = ids.clone()
    other[:, kept:] = (other[:, kept:] + 1) % rows
    one, two = (hidden_states(model, each)[:, :kept] for each in (ids, other))
    moved = float((one - two).abs().max() / one.square().mean().sqrt())
    if not moved <= MOVED:
        raise BaseError(
            f"{type(model).__name__}: its states of earlier tokens move by {moved:.1e} of their "
            f"RMS when a later token changes; expected at most {MOVED:g}, as in a causal model. "
            "Its perplexity would be that of tokens it has seen"
        )


def check_positions(model: nn.Module, asked: dict[str, int]) -> None:
    """Refuse texts that are longer than a model has positions.

    Args:
        model: the model. Where its config names no number of positions, anything goes.
        asked: by name, how many tokens pass the model at once.

    Raises:
        BaseError: one of them is more than the model's positions.
    """
    inner: Any = model
    positions = getattr(inner.config.get_text_config(), "max_position_embeddings", None)
    for what, tokens in asked.items():
        if isinstance(positions, int) and 0 < positions < tokens:
            raise BaseError(
                f"{type(model).__name__}: {what} of {tokens} tokens; expected at most {positions}, "
                "the positions that the base has"
            )
