"""Ternary weights: a base whose matrices hold only -1, 0 and 1, times one scale per matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_noisefloor.specs import digest

if TYPE_CHECKING:
    from torch import nn

TERNARY = "+ternary"
"""Suffix of a base's name: the same base with ternary weights."""

SCHEME = "absmean/1"
"""Name and version of what ``ternarise`` does. Part of a ternary base's fingerprints."""

EPSILON = 1e-5
"""Avoids a division by 0 for a matrix of zeros.

The paper gives no value. The code in its authors' training tips has this as the least scale.
"""


def ternarise(model: nn.Module) -> None:
    """Replace each matrix of a model by its absmean ternarisation, in place.

    It is γ · RoundClip(W / (γ + ε), -1, 1), where γ is the mean of ``|W|``: BitNet b1.58 (Ma et al.
    2024, arXiv:2402.17764, eq. 1 to 3). Here the weights were trained without it. Projections,
    embeddings and head are matrices. A tensor of experts has one matrix per expert. Tied matrices
    are replaced once. Gains and biases do not change.
    """
    import torch

    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                # float64, so that γ does not depend on the order in which threads sum
                mean = weight.abs().mean(dim=(-2, -1), keepdim=True, dtype=torch.float64)
                scale = mean.to(weight.dtype)
                weight.copy_((weight / (scale + EPSILON)).round_().clamp_(-1, 1).mul_(scale))


def ternary_fingerprint(fingerprint: str) -> str:
    """SHA-256 (hex) of a base's fingerprint and the scheme: the fingerprint of its ternary form."""
    return digest([fingerprint, SCHEME])
