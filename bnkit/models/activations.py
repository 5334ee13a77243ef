"""Nonlinearities by name.

torch's own sigmoid and ELU round the last few elements of a tensor differently from the others, so
that a value would depend on which other seeds are in the stack; its tanh and expm1 do not.
"""

import torch
from torch import Tensor, nn


class Sigmoid(nn.Module):
    """1 / (1 + exp(-x)), computed as (1 + tanh(x / 2)) / 2."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise; any shape."""
        return torch.tanh(x * 0.5) * 0.5 + 0.5


class Elu(nn.Module):
    """x where it is positive, else exp(x) - 1 (Clevert et al., 2016, equation 15, with α = 1)."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise; any shape."""
        return torch.where(x > 0, x, torch.expm1(x.clamp(max=0)))


class StackedPReLU(nn.Module):
    """x where it is positive, else a x with a learned a for each unit, at first 0.25.

    He et al. (2015), section 2.1, for K stacked seeds of C units each.
    """

    def __init__(self, num_seeds: int, num_units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((num_seeds, num_units, 1), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        """(K, C, N) -> (K, C, N)."""
        return torch.where(x > 0, x, self.weight * x)


ACTIVATIONS = {
    "sigmoid": Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,  # slope 0.01 below 0
    "elu": Elu,
    "identity": nn.Identity,
}


def activation(name: str) -> nn.Module:
    """A new nonlinearity; ValueError for a name that is not there."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation {name!r}: choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()


def stacked_activation(name: str, num_seeds: int, num_units: int) -> nn.Module:
    """A new nonlinearity for (K, C, N), where "prelu" is one more name."""
    return StackedPReLU(num_seeds, num_units) if name == "prelu" else activation(name)
