"""Held-out negative log-likelihood, each token scored exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import Scoring

from .cross_entropy import token_losses
from .head import LMHead, hidden_states
from .hidden_noise import noisy_blocks

if TYPE_CHECKING:
    from torch import nn

    from pytest_noisefloor._typing import Ids

BATCH_TOKENS = 4096
"""Tokens in one forward pass. It changes memory and speed, and scores only by rounding."""


class ScoringError(NoisefloorError):
    """A text that cannot be scored."""


def windows(length: int, scoring: Scoring) -> Iterator[tuple[int, int, int]]:
    """Yield which tokens are scored with which context: (first input, first scored, end).

    Inputs are the prefix followed by the tokens, so input i predicts token i. The first window
    scores all its tokens. Each later window scores the next ``stride`` tokens, with as much context
    as the window holds. At stride = window these are the rolling windows of lm-evaluation-harness
    (``lm_eval.utils.get_rolling_token_windows`` with a context of one).
    """
    scored = 0
    while scored < length:
        end = min(scored + (scoring.stride if scored else scoring.window), length)
        yield max(0, end - scoring.window), scored, end
        scored = end


def score(
    model: nn.Module, head: LMHead, tokens: Ids, prefix: int, scoring: Scoring
) -> npt.NDArray[np.float32]:
    """Score ``tokens`` (n,) as one document → negative log-likelihood in nats of each token (n,).

    ``prefix`` is the token in front of the document. It is the only context of the first token.

    Raises:
        ScoringError: there are no tokens, or a score is not finite.
        NoiseError: noise is asked for, but the model's blocks cannot be found.
    """
    return score_copies(model, head, tokens, prefix, scoring, copies=1).reshape(-1)


def score_copies(
    model: nn.Module, head: LMHead, tokens: Ids, prefix: int, scoring: Scoring, *, copies: int
) -> npt.NDArray[np.float32]:
    """Score ``copies`` copies of a document at once → (copies, n).

    The model treats the rows of each copy in its own way, for instance with its own adapter.

    Raises:
        ScoringError: there are no tokens, or a score is not finite.
        NoiseError: noise is asked for, but the model's blocks cannot be found.
    """
    if not len(tokens):
        raise ScoringError("no tokens to score")
    inputs = np.concatenate([[prefix], tokens[:-1]])
    scores = np.full((copies, len(tokens)), np.nan, dtype=np.float32)
    shape = {w: (w[2] - w[0], w[2] - w[1]) for w in windows(len(tokens), scoring)}
    # only windows of the same shape share a forward pass, so nothing is ever padded
    for (width, scored), same in groupby(shape, key=shape.__getitem__):
        group = list(same)
        rows = max(1, BATCH_TOKENS // (width * copies))
        for at in range(0, len(group), rows):
            part = group[at : at + rows]
            ids = np.stack([inputs[first:end] for first, _, end in part])
            targets = np.stack([tokens[start:end] for _, start, end in part])
            ids, targets = np.tile(ids, (copies, 1)), np.tile(targets, (copies, 1))
            with noisy_blocks(model, scoring.noise, [first for first, _, _ in part]):
                losses = _losses(model, head, ids, targets)
            by_window = losses.reshape(copies, -1, scored).swapaxes(0, 1)
            for (_, start, end), row in zip(part, by_window, strict=True):
                scores[:, start:end] = row  # (copies, scored)
    if not np.isfinite(scores).all():
        copy, worst = (int(at) for at in np.argwhere(~np.isfinite(scores))[0])
        raise ScoringError(f"token {worst} of {len(tokens)} scored {scores[copy, worst]}")
    return scores


@torch.no_grad()
def _losses(model: nn.Module, head: LMHead, ids: Ids, targets: Ids) -> npt.NDArray[np.float32]:
    device = head.weight.device
    hidden = hidden_states(model, torch.from_numpy(ids).to(device))[:, -targets.shape[1] :]
    losses = token_losses(
        hidden.flatten(0, 1), torch.from_numpy(targets).to(device).flatten(), head
    )
    array: npt.NDArray[np.float32] = losses.cpu().numpy()
    return array
