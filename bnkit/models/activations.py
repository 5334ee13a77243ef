"""Nonlinearities by name."""

import torch
from torch import Tensor, nn


class Sigmoid(nn.Module):
    """1 / (1 + exp(-x)), computed as (1 + tanh(x / 2)) / 2.

    torch's own sigmoid rounds the last few elements of a tensor differently from the others, so
    that a value would depend on which other seeds are in the stack; its tanh does not.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise; any shape."""
        return torch.tanh(x * 0.5) * 0.5 + 0.5


ACTIVATIONS = {
    "sigmoid": Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "identity": nn.Identity,
}


def activation(name: str) -> nn.Module:
    """A new nonlinearity; ValueError for a name that is not there."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation {name!r}: choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()
