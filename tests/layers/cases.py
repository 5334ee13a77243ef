"""The batches and layers that the tests of this folder share."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from bnkit import layers

BACKENDS = ["torch", "graph"]

# torch compiles its own forward-mode rules by torch.jit.script, on first use.
FORWARD_MODE = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")


@dataclass(frozen=True)
class Case:
    """A layer of ours, its counterpart in torch, and the shape of a batch for both."""

    rank: int  # of the layer: 1, 2 or 3
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return "x".join(map(str, self.shape))

    def ours(self, **arguments):
        kind = getattr(layers, f"BatchNorm{self.rank}d")
        return drawn_parameters(kind(self.shape[1], **arguments))

    def native(self, **arguments):
        kind = getattr(nn, f"BatchNorm{self.rank}d")
        return drawn_parameters(kind(self.shape[1], **arguments))

    def batch(self, seed=0, dtype=torch.float64, mean=3.0, std=2.0):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(self.shape, generator=generator, dtype=torch.float64)
        return (x * std + mean).to(dtype)


# Odd and unequal sizes, one channel, one example, one place, and the smallest legal batch.
CASES = [
    Case(1, (2, 1)),
    Case(1, (7, 3)),
    Case(1, (4, 3, 5)),
    Case(1, (1, 2, 3)),
    Case(1, (6, 2, 1)),
    Case(2, (3, 2, 4, 5)),
    Case(2, (5, 3, 1, 1)),
    Case(2, (3, 1, 2, 3)),
    Case(2, (1, 2, 1, 3)),
    Case(3, (2, 3, 2, 3, 2)),
    Case(3, (4, 1, 1, 2, 1)),
]

# One of each rank, where a test is slow.
FEW_CASES = [Case(1, (5, 2)), Case(1, (3, 2, 2)), Case(2, (2, 2, 2, 3)), Case(3, (2, 1, 2, 1, 2))]


def drawn_parameters(layer):
    """The layer with weight and bias that no default could pass for; the same for each layer."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in (layer.weight, layer.bias):
            if parameter is not None:
                drawn = torch.randn(len(parameter), generator=generator, dtype=torch.float64)
                parameter.copy_(drawn)
    return layer


def exact(x, gamma=1.0, beta=0.0, eps=1e-5):
    """(y, mean, var_biased) by NumPy in float64: x and the answers are arrays or tensors."""
    x = np.asarray(x.detach().to(torch.float64))
    axes = (0, *range(2, x.ndim))
    mean, var_biased = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    like = (1, -1, *[1] * (x.ndim - 2))
    gamma, beta = (np.asarray(p, np.float64).reshape(like) for p in (gamma, beta))
    y = (x - mean) / np.sqrt(var_biased + eps) * gamma + beta
    return y, mean.ravel(), var_biased.ravel()
