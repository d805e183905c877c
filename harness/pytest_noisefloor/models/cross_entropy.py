"""LM head and cross-entropy in tiles, so that no (tokens, vocabulary) tensor is ever kept.

The projection to the vocabulary is most of a small model's work. One tile of logits at a time is
turned into its part of the losses. During training, the tile also gives its part of the gradient to
the hidden states. A frozen head needs no more. A head that trains gets its own gradients from the
same tile.

A frozen head has more than one kernel. The fastest depends on the processor, so
``runs/autotune.py`` measures them.

Since torch 2.13 there is ``torch.nn.functional.linear_cross_entropy``. For loss and gradient of
1,020 rows and a frozen head of 49,152 × 256, on one CPU thread (2026-11-25), it gives the same to
1e-6, but takes longer: 1.07 s by its reference path and 4.47 s by its chunked path, against 0.59 s
by attention and 0.64 to 0.70 s in tiles here.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Any

import torch

from .head import _ATTENTION, LMHead, _product

if TYPE_CHECKING:
    from torch import Tensor


CPU_TILE = (512, 1024)
"""Rows and vocabulary entries of a tile on a CPU: 2 MB of fp32 logits, which stay in the cache."""

WIDE_TILE_ELEMENTS = 128 * 49_152
"""Logits in a tile over the whole vocabulary: 25 MB in fp32.

Used where the head trains on a CPU, because that needs all logits of a row.
"""

WIDER_TILE_ELEMENTS = 512 * 49_152
"""The same for ``tiles-wide/1``, the only kernel of an accelerator: 101 MB in fp32.

Two tiles live at a time.

Measured on an NVIDIA H200, for loss and gradient of 1,020 rows, a hidden
size of 256 and a vocabulary of 49,152: 3.3 to 3.6 ms in tiles of 128 rows, 2.2 ms in tiles of 256,
1.8 to 1.9 ms in tiles of 512 or 1,020, and 1.8 ms with all logits kept (torch 2.11, 2026-11-26).
"""

VOCABULARY_PARTS = 4
"""Parts of the vocabulary that attention handles side by side.

At 4 × 256 tokens, this is enough work for 16 threads.
"""


@torch.no_grad()
def token_losses(hidden: Tensor, targets: Tensor, head: LMHead) -> Tensor:
    """Negative log-likelihood in nats of each target: (rows, hidden), (rows,) → (rows,)."""
    losses = torch.empty(len(targets), device=hidden.device)
    rows, parts = _tiles(head)
    for at in range(0, len(targets), rows):
        some = slice(at, at + rows)
        lse = torch.stack([head.logits(hidden[some], part).logsumexp(dim=1) for part in parts])
        losses[some] = lse.logsumexp(dim=0) - head.target_logits(hidden[some], targets[some])
    return losses


def mean_loss(hidden: Tensor, targets: Tensor, head: LMHead) -> Tensor:
    """Mean cross-entropy in nats of targets (rows,), differentiable in ``hidden`` (rows, hidden).

    It is also differentiable in the head's weight and bias if either requires a gradient.
    """
    loss: Tensor = _MeanLoss.apply(  # type: ignore[no-untyped-call]
        hidden, head.weight, head.bias, targets, head
    )
    return loss


class _MeanLoss(torch.autograd.Function):
    """Computes the gradients in the forward pass, while the logits still exist."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, head: LMHead
    ) -> Tensor:
        if weight.requires_grad or (bias is not None and bias.requires_grad):
            way = _by_rows
        else:
            way = _by_attention if head.kernel == "attention/1" else _by_tiles
        total, *gradients = way(hidden, targets, head)
        ctx.save_for_backward(*(each.mul_(head.scale / len(targets)) for each in gradients))
        return total / len(targets)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        wanted = zip(ctx.saved_tensors, ctx.needs_input_grad, strict=False)
        found = [each * grads[0] if needed else None for each, needed in wanted]
        return (*found, *(None for _ in ctx.needs_input_grad[len(found) :]))


def _by_rows(hidden: Tensor, targets: Tensor, head: LMHead) -> tuple[Tensor, ...]:
    """Sum of losses, and its gradients to ``scale`` times hidden, weight and bias.

    All logits of some rows are computed at a time, capped, and turned in place into softmax −
    onehot.
    """
    gradient = torch.empty_like(hidden)
    to_weight = torch.zeros_like(head.weight)
    to_bias = hidden.new_zeros(len(head.weight))
    total = hidden.new_zeros(())
    rows = _wide_rows(head)
    for at in range(0, len(targets), rows):
        some = slice(at, at + rows)
        logits = head.logits(hidden[some])  # (rows, vocabulary)
        slope = head.slope(logits)
        target = targets[some, None]
        lse = logits.logsumexp(dim=1, keepdim=True)
        total += (lse - logits.gather(1, target)).sum()
        error = logits.sub_(lse).exp_()
        error.scatter_add_(1, target, error.new_full(target.shape, -1.0))
        if slope is not None:
            error.mul_(slope)
        gradient[some] = error @ head.weight
        to_weight.addmm_(error.T, hidden[some])
        to_bias += error.sum(dim=0)
    return total, gradient, to_weight, to_bias


def _by_attention(hidden: Tensor, targets: Tensor, head: LMHead) -> tuple[Tensor, Tensor]:
    """Sum of losses, and its gradient to ``scale · hidden``: softmax(scale · h Wᵀ) W − W[target].

    The first term is attention with the rows of W as both keys and values. torch's fused kernel for
    it (Dao et al. 2022, arXiv:2205.14135) returns the mean row under the softmax and the log of the
    softmax's denominator. The log is needed for the loss and for weighting the vocabulary's parts.
    """
    parts = gcd(VOCABULARY_PARTS, len(head.weight))
    rows = head.weight.view(1, parts, -1, hidden.shape[1])  # vocabulary / parts rows each
    queries = hidden.to(rows.dtype).contiguous().expand(1, parts, -1, -1)
    means, lse = getattr(torch.ops.aten, _ATTENTION)(
        queries, rows, rows, scale=head.scale
    )  # (1, parts, rows, hidden), (1, parts, rows)
    whole = lse.logsumexp(dim=1, keepdim=True)
    mean = means.mul((lse - whole).exp_()[..., None]).sum(dim=1)[0]
    total = (whole.flatten() - head.target_logits(hidden, targets)).sum()
    return total.to(hidden.dtype), mean.sub_(head.weight[targets])


def _by_tiles(hidden: Tensor, targets: Tensor, head: LMHead) -> tuple[Tensor, Tensor]:
    """Sum of losses, and its gradient to ``scale · hidden``, for every head and device.

    The online softmax handles one tile of logits at a time. If a tile has a larger logit than those
    before it, the sums so far are rescaled (Milakov & Gimelshein 2018, arXiv:1805.02867).
    """
    gradient = torch.empty_like(hidden)
    total = hidden.new_zeros(())
    rows, parts = _tiles(head)
    for at in range(0, len(targets), rows):
        some = slice(at, at + rows)
        part_of = hidden[some]
        top = part_of.new_full((len(part_of), 1), -torch.inf)
        denominator = torch.zeros_like(top)
        mean = torch.zeros_like(part_of)
        for part in parts:
            logits = head.logits(part_of, part)
            slope = head.slope(logits)
            higher = torch.maximum(top, logits.amax(dim=1, keepdim=True))
            weights = logits.sub_(higher).exp_()
            kept = top.sub_(higher).exp_()
            denominator.mul_(kept).add_(weights.sum(dim=1, keepdim=True))
            if slope is not None:
                weights.mul_(slope)
            matrix = head.weight[part].T  # (hidden, part)
            if matrix.dtype == torch.bfloat16 and head.kernel != "tiles-wide/1":
                # without the copy, oneDNN takes ten times as long
                matrix = matrix.contiguous()
            product = _product(weights.to(matrix.dtype), matrix, None, head.kernel)
            mean.mul_(kept).add_(product)
            top = higher
        target = head.target_logits(part_of, targets[some])
        total += (denominator.log().add_(top)[:, 0] - target).sum()
        own = head.weight[targets[some]]
        slope = head.slope(target)
        gradient[some] = mean.div_(denominator).sub_(own if slope is None else own * slope[:, None])
    return total, gradient


def _tiles(head: LMHead) -> tuple[int, list[slice]]:
    """The number of rows in a tile, and the parts of the vocabulary."""
    vocabulary = len(head.weight)
    rows, columns = CPU_TILE
    if head.kernel == "tiles-wide/1" or head.weight.device.type != "cpu":
        rows, columns = _wide_rows(head), vocabulary
    return rows, [slice(at, at + columns) for at in range(0, vocabulary, columns)]


def _wide_rows(head: LMHead) -> int:
    """The number of rows in a tile over the whole vocabulary."""
    wider = head.kernel == "tiles-wide/1"
    return max(1, (WIDER_TILE_ELEMENTS if wider else WIDE_TILE_ELEMENTS) // len(head.weight))
