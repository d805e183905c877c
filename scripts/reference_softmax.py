"""The loss that the reference base is trained with: softmax cross-entropy, whole or sampled.

Both keep no (tokens, vocabulary) tensor: gradients are made chunk by chunk in the forward pass.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 2**22  # logits at a time: they stay near the processor


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, rows, targets, log_odds):  # noqa: ANN001, ANN205
        """Sum over chunks; see `cross_entropy`."""
        wanted = any(ctx.needs_input_grad)
        d_hidden = torch.empty_like(hidden) if wanted else None
        d_rows = torch.zeros_like(rows) if wanted else None
        total = 0.0
        step = max(1, CHUNK // len(rows))
        buffer = hidden.new_empty(step, len(rows))
        for start in range(0, len(hidden), step):
            part = slice(start, start + step)
            own = targets[part, None]
            logits = torch.mm(hidden[part], rows.T, out=buffer[: len(own)])
            chosen = logits.gather(1, own)
            if log_odds is not None:
                logits -= log_odds
                logits.scatter_(1, own, chosen)
            partition = logits.logsumexp(1, keepdim=True)
            total += float((partition - chosen).sum(dtype=torch.float64))
            if wanted:
                slope = logits.sub_(partition).exp_()
                slope.scatter_add_(1, own, torch.full_like(chosen, -1.0))
                torch.mm(slope, rows, out=d_hidden[part])
                d_rows.addmm_(slope.T, hidden[part])
        if wanted:
            ctx.save_for_backward(d_hidden.div_(len(hidden)), d_rows.div_(len(hidden)))
        return hidden.new_tensor(total / len(hidden))

    @staticmethod
    def backward(ctx, upstream):  # noqa: ANN001, ANN205
        """Scale what the forward pass has made."""
        d_hidden, d_rows = ctx.saved_tensors
        return d_hidden * upstream, d_rows * upstream, None, None


def cross_entropy(
    hidden: Tensor, rows: Tensor, targets: Tensor, log_odds: Tensor | None = None
) -> Tensor:
    """Mean negative log-likelihood of `targets`, in nats.

    Args:
        hidden: (tokens, width).
        rows: (ids, width), the output embeddings of the vocabulary or of a sample of it.
        targets: (tokens,), as places in `rows`.
        log_odds: (ids,), the log of each row's probability of being in the sample. A row counts
            exp(-log_odds) times in the partition function, a token's own target once.
    """
    return _CrossEntropy.apply(hidden, rows, targets, log_odds)


class Candidates(NamedTuple):
    """A sample of the vocabulary: ids, the targets' places in it, log inclusion probabilities."""

    ids: Tensor | None
    targets: Tensor
    log_odds: Tensor | None


def candidates(
    targets: Tensor, unigram: Tensor, drawn: int, generator: torch.Generator
) -> Candidates:
    """The batch's targets and about `drawn` other ids, each with its inclusion probability.

    An id is drawn with a probability p that grows with the root of its frequency u, and is in
    anyway when one of the n targets is that id: pi = 1 - (1 - p) (1 - u)^n. Weighted by 1 / pi
    (Horvitz and Thompson 1952) the sampled partition function is unbiased.
    """
    liking = (unigram + 1 / len(unigram)).sqrt()
    p = (liking * (drawn / liking.sum())).clamp_max(1.0)
    taken = torch.rand(len(p), generator=generator, dtype=p.dtype) < p
    taken[targets] = True
    inclusion = 1 - (1 - p) * (1 - unigram) ** len(targets)
    places = taken.cumsum(0) - 1
    return Candidates(taken.nonzero()[:, 0], places[targets], inclusion[taken].log().float())
