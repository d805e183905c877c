"""Muon in fp32: momentum whose update is an orthogonal matrix.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks". torch.optim.Muon
orthogonalises in bf16, which is slow on processors without bf16 arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor

WIDTH = 256  # rows or columns of every matrix that is trained


def orthogonalised(x: Tensor) -> Tensor:
    """Each (WIDTH, n) matrix of the stack with its singular values moved near 1.

    Five quintic Newton-Schulz steps with Jordan's coefficients.
    """
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = torch.baddbmm(
            x, torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445
        )
    return x


class Muon:
    """Momentum whose update is orthogonalised, for matrices with WIDTH rows or WIDTH columns."""

    def __init__(self, matrices: list[torch.nn.Parameter], momentum: float = 0.95) -> None:
        self.groups = {}
        for p in matrices:
            self.groups.setdefault(max(p.shape), []).append(p)
        self.momentum = momentum
        self.state = {str(n): torch.zeros(len(g), WIDTH, n) for n, g in self.groups.items()}

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Move every matrix by a spectral norm of about `lr`, more when it has more rows."""
        for n, group in self.groups.items():
            gradient = torch.stack([p.grad.T if p.shape[0] > WIDTH else p.grad for p in group])
            velocity = self.state[str(n)].lerp_(gradient, 1 - self.momentum)
            update = orthogonalised(gradient.lerp(velocity, self.momentum))
            for p, u in zip(group, update, strict=True):
                scale = max(1.0, p.shape[0] / p.shape[1]) ** 0.5
                p.add_(u.T if p.shape[0] > WIDTH else u, alpha=-lr * scale)
