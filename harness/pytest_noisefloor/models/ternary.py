"""Ternary weights: what is left of a base whose matrices know nothing but -1, 0 and 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_noisefloor.specs import digest

if TYPE_CHECKING:
    from torch import nn

TERNARY = "+ternary"
"""Behind a base's name: the same base with ternary weights."""

SCHEME = "absmean/1"
"""Name and version of what ``ternarise`` does; part of a ternary base's fingerprints."""

EPSILON = 1e-5
"""Keeps a matrix of zeros from a division by 0.

The paper gives no figure; the code in its authors' training tips has this as the least scale.
"""


def ternarise(model: nn.Module) -> None:
    """Replace each matrix of a model by its absmean ternarisation, in place; tied ones once.

    γ · RoundClip(W / (γ + ε), -1, 1), γ being the mean of ``|W|``: BitNet b1.58 (Ma et al. 2024,
    arXiv:2402.17764, eq. 1 to 3), here of weights that were trained without it. Projections,
    embeddings and head are matrices; a tensor of experts is one matrix an expert. Gains and biases
    stay as they are.
    """
    import torch

    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                # float64, so that the order in which threads sum leaves γ alone
                mean = weight.abs().mean(dim=(-2, -1), keepdim=True, dtype=torch.float64)
                scale = mean.to(weight.dtype)
                weight.copy_((weight / (scale + EPSILON)).round_().clamp_(-1, 1).mul_(scale))


def ternary_fingerprint(fingerprint: str) -> str:
    """SHA-256 (hex) of a ternary base: of its base's fingerprint and the scheme."""
    return digest([fingerprint, SCHEME])
