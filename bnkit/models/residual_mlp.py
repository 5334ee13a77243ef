"""Residual MLPs of any depth and many seeds, stacked as in `stacked_mlp`: features come first.

A block is h + s · W φ(norm(h)) + b, the order of He et al. (2016b), "Identity mappings". With
SkipInit (De & Smith, 2020, section 4) s is a learned number that starts at 0, otherwise 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bnkit.models import weights
from bnkit.models.activations import activation as make_activation
from bnkit.models.normalizers import Folded
from bnkit.models.stacked_mlp import StackedLinear


class SkipScale(nn.Module):
    """A learned number for each of K seeds, 0 at first."""

    def __init__(self, num_seeds: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(num_seeds, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(K, C, N) -> (K, C, N)."""
        return self.scale * x


class ResidualMLP(nn.Module):
    """A residual MLP per seed: a linear layer, blocks, a last normalizer and nonlinearity, a head.

    For block i, from 0, a probe finds the stream as the input of "norms.i", what the branch adds,
    before s, as that of "scales.i", and the rest as "activations.i" and "linears.i + 1"; the head
    is the last of "linears".

    Args:
        num_inputs, width, num_outputs: sizes; even ones keep each seed's numbers bit for bit what
            they are alone.
        depth: number of blocks.
        seeds: one network each; its weights are drawn from this seed alone.
        norm: of the branch, a name of `models.normalizers` that treats each channel on its own.
        skip_init: s is learned and starts at 0.
        activation: a name of `models.activations`.
        affine: learn γ and β.
        init: as in `models.weights`; "he" keeps the variance of a branch with ReLU at 1.
        eps: of the normalizer, in units of its squared input.
    """

    def __init__(
        self,
        num_inputs: int,
        width: int,
        num_outputs: int,
        depth: int,
        seeds: Sequence[int],
        *,
        norm: str,
        skip_init: bool = False,
        activation: str = "relu",
        affine: bool = True,
        init: str = "he",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.seeds = tuple(seeds)
        num_seeds = len(self.seeds)
        shapes = [(width, num_inputs), *[(width, width)] * depth, (num_outputs, width)]
        drawn = weights.stacked(shapes, self.seeds, init)
        self.linears = nn.ModuleList(StackedLinear(each, bias=True) for each in drawn)
        self.norms = nn.ModuleList(
            Folded(norm, num_seeds, width, eps=eps, affine=affine) for _ in range(depth + 1)
        )
        self.activations = nn.ModuleList(make_activation(activation) for _ in range(depth + 1))
        self.scales = nn.ModuleList(
            SkipScale(num_seeds) if skip_init else nn.Identity() for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (K, N, out) of examples (K, N, in), or of (N, in) that all seeds share."""
        h = x.transpose(-1, -2)
        if x.dim() == 2:
            h = h.expand(len(self.seeds), *h.shape)  # (K, in, N)
        h = self.linears[0](h)
        for norm, activation, linear, scale in zip(
            self.norms[:-1], self.activations[:-1], self.linears[1:-1], self.scales, strict=True
        ):
            h = h + scale(linear(activation(norm(h))))
        h = self.activations[-1](self.norms[-1](h))
        return self.linears[-1](h).transpose(1, 2)
