"""Layer-sequential unit-variance initialization (Mishkin & Matas, 2016, algorithm 1).

Orthogonal weights, then layer by layer each weight is divided by the standard deviation of what it
puts out on a batch, until that is 1. The paper repeats this up to a tolerance; a layer whose bias
is 0 needs it once.
"""

import torch
from torch import Tensor

from bnkit.models.stacked_mlp import StackedMLP


def unit_variance(model: StackedMLP, x: Tensor) -> StackedMLP:
    """Scale the fresh weights of K nets, layer by layer, in place; returns the model.

    Normalizers are left out: a net with them gets the weights of the plain net of the same seed.

    Args:
        model: with `init="orthogonal"` to be the paper's; its biases are 0.
        x: (N, D) the batch that all seeds share.
    """
    with torch.no_grad():
        h = x.T.expand(len(model.seeds), -1, -1)  # (K, D, N)
        for index, linear in enumerate(model.linears):
            linear.weight /= spreads(torch.bmm(linear.weight, h))
            z = torch.bmm(linear.weight, h)
            h = model.activations[index](z) if index < len(model.activations) else z
    return model


def spreads(z: Tensor) -> Tensor:
    """(K, 1, 1) standard deviations over units and examples of (K, C, N)."""
    # A seed at a time and in double precision: its place in the stack does not matter.
    each = [of_seed.double().std(correction=0) for of_seed in z]
    return torch.stack(each).to(z)[:, None, None]
