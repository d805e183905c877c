"""Linear + cross-entropy in chunks: no (tokens, vocabulary) tensor is ever kept.

The vocabulary's projection is most of a small model's work. One chunk of logits at a time is
turned into losses and, while training, into the gradient to the hidden states, which is all that
a frozen base needs. On a CPU and for a plain projection even that chunk is never written: the
gradient is an attention over the vocabulary, and torch's kernel for it stays in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .errors import NoisefloorError

if TYPE_CHECKING:
    from torch import Tensor

CHUNK_ELEMENTS = 128 * 49_152
"""Logits held at a time: 25 MB in fp32, about what the last-level cache of a CPU holds."""

VOCABULARY_PARTS = 4
"""Parts of the vocabulary attended to side by side: at 4 × 256 tokens, work for 16 threads."""

_ATTENTION = "_scaled_dot_product_flash_attention_for_cpu"
# torch's own name for it: the public function gives no log of the denominator


PROBE_TOLERANCE = 1e-4
"""Largest difference allowed between our logits and the model's, as a share of the largest logit.

fp32 rounding over a hidden size of 10⁴ stays below 1e-5; the smallest transformation seen in a
published head (a logit scale of 0.0625, a soft cap of 30) is far above 1e-3.
"""


class HeadError(NoisefloorError):
    """The model's way from hidden states to logits is not one that this module computes."""


@dataclass(frozen=True)
class Head:
    """From hidden states to logits: ``cap(scale · (h Wᵀ + b))``, cap(z) = c·tanh(z / c)."""

    weight: Tensor  # (vocabulary, hidden)
    bias: Tensor | None  # (vocabulary,)
    scale: float
    softcap: float | None

    @property
    def plain(self) -> bool:
        """Whether logits are nothing but products with the rows of a matrix in memory order."""
        return self.bias is None and self.softcap is None and self.weight.is_contiguous()

    @property
    def chunk(self) -> int:
        """Rows of hidden states whose logits are computed at a time."""
        return max(1, CHUNK_ELEMENTS // self.weight.shape[0])

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (rows, vocabulary) of hidden states (rows, hidden)."""
        logits = nn.functional.linear(hidden, self.weight, self.bias)
        if self.scale != 1.0:
            logits.mul_(self.scale)
        if self.softcap is not None:
            logits.div_(self.softcap).tanh_().mul_(self.softcap)
        return logits


def hidden_states(model: nn.Module, ids: Tensor) -> Tensor:
    """The last hidden states (batch, sequence, hidden), behind the final norm."""
    inner: Any = model
    states: Tensor = inner.base_model(input_ids=ids, use_cache=False).last_hidden_state
    return states


def head_of(model: nn.Module) -> Head:
    """The head of a causal LM, checked against the model's own logits on a few tokens.

    Raises:
        HeadError: the two disagree, so that losses would not be the model's.
    """
    inner: Any = model
    projection = inner.get_output_embeddings()
    config = inner.config.get_text_config()
    softcap = getattr(config, "final_logit_softcapping", None)
    head = Head(
        weight=projection.weight,
        bias=getattr(projection, "bias", None),
        scale=getattr(config, "logit_scale", 1.0) / getattr(config, "logits_scaling", 1.0),
        softcap=float(softcap) if softcap else None,
    )
    vocabulary = head.weight.shape[0]
    ids = (torch.arange(8) * 7919 % vocabulary).to(head.weight.device)[None]
    with torch.no_grad():
        ours = head.logits(hidden_states(model, ids)[0])
        theirs = inner(input_ids=ids, use_cache=False).logits[0]
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    if not error <= PROBE_TOLERANCE:
        raise HeadError(
            f"{type(model).__name__}: its logits differ from hidden states times output embeddings "
            f"by {error:.1e} of the largest; expected at most {PROBE_TOLERANCE:g}. "
            "This architecture's head is not supported"
        )
    return head


@torch.no_grad()
def token_losses(hidden: Tensor, targets: Tensor, head: Head) -> Tensor:
    """Negative log-likelihood in nats of each target: (rows, hidden), (rows,) → (rows,)."""
    losses = torch.empty(len(targets), device=hidden.device)
    for at in range(0, len(targets), head.chunk):
        rows = slice(at, at + head.chunk)
        logits = head.logits(hidden[rows])
        target = logits.gather(1, targets[rows, None])
        top = logits.amax(dim=1, keepdim=True)
        # logsumexp in the logits' own memory
        lse = logits.sub_(top).exp_().sum(dim=1, keepdim=True).log_().add_(top)
        losses[rows] = lse.sub_(target)[:, 0]
    return losses


def mean_loss(hidden: Tensor, targets: Tensor, head: Head) -> Tensor:
    """Mean cross-entropy in nats, differentiable in ``hidden`` (rows, hidden) alone."""
    loss: Tensor = _MeanLoss.apply(hidden, targets, head)  # type: ignore[no-untyped-call]
    return loss


class _MeanLoss(torch.autograd.Function):
    """Computes the gradient in the forward pass, while logits are at hand."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, targets: Tensor, head: Head) -> Tensor:
        attention = hidden.device.type == "cpu" and hasattr(torch.ops.aten, _ATTENTION)
        way = _by_attention if head.plain and attention else _by_chunks
        total, gradient = way(hidden, targets, head)
        ctx.save_for_backward(gradient.mul_(head.scale / len(targets)))
        return total / len(targets)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0], None, None


def _by_attention(hidden: Tensor, targets: Tensor, head: Head) -> tuple[Tensor, Tensor]:
    """Sum of losses, and its gradient to ``scale · hidden``: softmax(scale · h Wᵀ) W − W[target].

    That is attention with the rows of W as keys and as values. torch's fused kernel for it (Dao et
    al. 2022, arXiv:2205.14135) gives, beside the mean row under the softmax, the log of the
    softmax's denominator: the loss needs it, and it weighs the vocabulary's parts.
    """
    parts = gcd(VOCABULARY_PARTS, len(head.weight))
    rows = head.weight.view(1, parts, -1, hidden.shape[1])  # vocabulary / parts rows each
    means, lse = getattr(torch.ops.aten, _ATTENTION)(
        hidden.contiguous().expand(1, parts, -1, -1), rows, rows, scale=head.scale
    )  # (1, parts, rows, hidden), (1, parts, rows)
    whole = lse.logsumexp(dim=1, keepdim=True)
    mean = means.mul_((lse - whole).exp_()[..., None]).sum(dim=1)[0]
    own = head.weight[targets]  # (rows, hidden)
    total = (whole.flatten() - head.scale * torch.linalg.vecdot(hidden, own)).sum()
    return total, mean.sub_(own)


def _by_chunks(hidden: Tensor, targets: Tensor, head: Head) -> tuple[Tensor, Tensor]:
    """The same by materialised logits, a chunk at a time, for every head and device."""
    gradient = torch.empty_like(hidden)
    total = hidden.new_zeros(())
    for at in range(0, len(targets), head.chunk):
        rows = slice(at, at + head.chunk)
        target = targets[rows, None]
        logits = head.logits(hidden[rows])
        lse = logits.logsumexp(dim=1, keepdim=True)
        total += (lse - logits.gather(1, target)).sum()
        slope = None
        if head.softcap is not None:
            slope = 1 - (logits / head.softcap).square_()
        # softmax − one-hot, in the logits' own memory
        error = logits.sub_(lse).exp_()
        error.scatter_add_(1, target, error.new_full(target.shape, -1.0))
        if slope is not None:
            error.mul_(slope)
        torch.mm(error, head.weight, out=gradient[rows])
    return total, gradient
