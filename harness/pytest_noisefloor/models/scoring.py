"""Held-out negative log-likelihood, each token scored exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class WindowBatch:
    """Windows of one shape that pass the model together.

    ``ids`` (rows, width) are their inputs. ``targets`` (rows, scored) are the tokens that they
    score, each row's last. ``firsts`` gives the place in the document of each row's first input,
    and ``spans`` the places (start, end) of its targets.
    """

    ids: Ids
    targets: Ids
    firsts: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


def window_batches(
    tokens: Ids, prefix: int, scoring: Scoring, *, most: int
) -> Iterator[WindowBatch]:
    """Yield all windows of a document (n,), at most ``most`` inputs or one window at a time.

    Only windows of the same shape are in one batch, so nothing is ever padded.

    Raises:
        ScoringError: there are no tokens.
    """
    if not len(tokens):
        raise ScoringError("no tokens to score")
    inputs = np.concatenate([[prefix], tokens[:-1]])
    shape = {w: (w[2] - w[0], w[2] - w[1]) for w in windows(len(tokens), scoring)}
    for (width, _), same in groupby(shape, key=shape.__getitem__):
        group, rows = list(same), max(1, most // width)
        for part in (group[at : at + rows] for at in range(0, len(group), rows)):
            yield WindowBatch(
                ids=np.stack([inputs[first:end] for first, _, end in part]),
                targets=np.stack([tokens[start:end] for _, start, end in part]),
                firsts=tuple(first for first, _, _ in part),
                spans=tuple((start, end) for _, start, end in part),
            )


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
    scores = np.full((copies, len(tokens)), np.nan, dtype=np.float32)
    for batch in window_batches(tokens, prefix, scoring, most=BATCH_TOKENS // copies):
        ids, targets = np.tile(batch.ids, (copies, 1)), np.tile(batch.targets, (copies, 1))
        with noisy_blocks(model, scoring.noise, batch.firsts):
            losses = _losses(model, head, ids, targets)
        by_window = losses.reshape(copies, *batch.targets.shape).swapaxes(0, 1)
        for (start, end), row in zip(batch.spans, by_window, strict=True):
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
