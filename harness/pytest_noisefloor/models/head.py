"""The LM head: from hidden states to logits, checked against the model's own logits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import Kernel

if TYPE_CHECKING:
    from torch import Tensor


_ATTENTION = "_scaled_dot_product_flash_attention_for_cpu"
# torch's internal name, because the public function does not return the log of the denominator

PROBE_TOLERANCE = 1e-4
"""Largest difference allowed between our logits and the model's, as a share of the largest logit.

fp32 rounding over a hidden size of 10⁴ stays below 1e-5. The smallest transformation seen in a
published LM head (a logit scale of 0.0625, a soft cap of 30) is far above 1e-3.
"""


class HeadError(NoisefloorError):
    """A model whose LM head this module cannot compute."""


@dataclass(frozen=True)
class LMHead:
    """From hidden states to logits: ``cap(scale · (h Wᵀ + b))`` with cap(z) = c·tanh(z / c)."""

    weight: Tensor  # (vocabulary, hidden)
    bias: Tensor | None  # (vocabulary,)
    scale: float
    softcap: float | None
    kernel: Kernel = "tiles/1"

    @property
    def plain(self) -> bool:
        """Whether the head has no bias and no cap, and its weight lies contiguously in memory."""
        return self.bias is None and self.softcap is None and self.weight.is_contiguous()

    def logits(self, hidden: Tensor, part: slice = slice(None)) -> Tensor:
        """Logits (rows, part) of hidden states (rows, hidden), for a part of the vocabulary."""
        weight = self.weight[part]
        bias = None if self.bias is None else self.bias[part]
        logits = _product(hidden.to(weight.dtype), weight, bias, self.kernel)
        return self._shaped(logits.to(hidden.dtype))

    def target_logits(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """The logit (rows,) of one target per row of hidden states (rows, hidden)."""
        logits = torch.linalg.vecdot(hidden, self.weight[targets].to(hidden.dtype))
        return self._shaped(logits if self.bias is None else logits + self.bias[targets])

    def _shaped(self, logits: Tensor) -> Tensor:
        """Scale and cap logits in place."""
        if self.scale != 1.0:
            logits.mul_(self.scale)
        if self.softcap is not None:
            logits.div_(self.softcap).tanh_().mul_(self.softcap)
        return logits

    def slope(self, logits: Tensor) -> Tensor | None:
        """The cap's derivative at some (capped) logits, or None if there is no cap."""
        return None if self.softcap is None else 1 - (logits / self.softcap).square_()


def kernels(head: LMHead) -> tuple[Kernel, ...]:
    """The kernels that can compute a head. The first is the one to use without a measurement."""
    if head.weight.device.type != "cpu":
        return ("tiles-wide/1",)
    fp32 = head.weight.dtype == torch.float32
    found: list[Kernel] = []
    if head.plain and hasattr(torch.ops.aten, _ATTENTION):
        found.append("attention/1")
    found.append("tiles/1")
    if fp32 and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        found.append("tiles-onednn/1")
    return tuple(found)


def hidden_states(model: nn.Module, ids: Tensor) -> Tensor:
    """The last hidden states (batch, sequence, hidden), after the final norm."""
    inner: Any = model
    states: Tensor = inner.base_model(input_ids=ids, use_cache=False).last_hidden_state
    return states


def logits(model: nn.Module, ids: Tensor) -> Tensor:
    """The model's own logits (batch, sequence, vocabulary)."""
    inner: Any = model
    found: Tensor = inner(input_ids=ids, use_cache=False).logits
    return found


def lm_head(model: nn.Module) -> LMHead:
    """Return a causal LM's head after checking it against the model's own logits on a few tokens.

    Raises:
        HeadError: the two disagree, so the losses would not be the model's; or the model has no
            such head.
    """
    inner: Any = model
    name = type(model).__name__
    projection, embeddings = inner.get_output_embeddings(), inner.get_input_embeddings()
    if getattr(projection, "weight", None) is None or embeddings is None:
        raise HeadError(f"{name}: has no output embeddings; expected a causal language model")
    rows, least = len(projection.weight), len(getattr(embeddings, "weight", projection.weight))
    if least < rows:
        raise HeadError(f"{name}: embeds {least} tokens and predicts {rows}; expected as many")
    config = inner.config.get_text_config()
    softcap = getattr(config, "final_logit_softcapping", None)
    head = LMHead(
        weight=projection.weight,
        bias=getattr(projection, "bias", None),
        # a config may have the key and no value
        scale=(getattr(config, "logit_scale", None) or 1.0)
        / (getattr(config, "logits_scaling", None) or 1.0),
        softcap=float(softcap) if softcap else None,
    )
    head = replace(head, kernel=kernels(head)[0])
    ids = (torch.arange(8) * 7919 % rows).to(head.weight.device)[None]
    try:
        with torch.no_grad():
            ours = head.logits(hidden_states(model, ids)[0])
            theirs = logits(model, ids)[0]
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as failed:
        reason = (str(failed).splitlines() or [type(failed).__name__])[0]
        raise HeadError(
            f"{name}: its logits of 8 tokens cannot be computed ({reason}). "
            "This architecture is not supported"
        ) from None
    if not theirs.any():
        raise HeadError(f"{name}: all logits are 0; expected output embeddings with values")
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    if not error <= PROBE_TOLERANCE:
        raise HeadError(
            f"{name}: its logits differ from hidden states times output embeddings "
            f"by {error:.1e} of the largest; expected at most {PROBE_TOLERANCE:g}. "
            "This architecture's head is not supported"
        )
    return head


def _product(x: Tensor, weight: Tensor, bias: Tensor | None, kernel: Kernel) -> Tensor:
    """``x weightᵀ + bias``: (rows, k), (columns, k), (columns,) → (rows, columns)."""
    if kernel == "tiles-onednn/1":
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return product
    return nn.functional.linear(x, weight, bias)
