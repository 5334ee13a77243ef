"""The Hessian of a batch loss, as the product with a vector: a second backward pass."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from bnkit.probes.landscape import Landscape

Product = Callable[[np.ndarray], np.ndarray]


class LocalCurvature(NamedTuple):
    """What is known of one network's loss where it stands."""

    gradient: np.ndarray  # (P,) float64
    squared_norm: float  # of the parameters
    product: Product  # (P,) -> (P,) float64; valid while the landscape is


def hessian_of(at: Landscape) -> LocalCurvature:
    """The Hessian of a landscape of one seed; it holds the graph of one batch in memory."""
    if len(at.point) != 1:
        raise ValueError(f"{len(at.point)} stacked seeds: take them out one by one (`singles`)")
    point = at.point.detach().requires_grad_()  # (1, P)
    (gradient,) = torch.autograd.grad(at.losses(point).sum(), point, create_graph=True)

    def product(vector: np.ndarray) -> np.ndarray:
        v = torch.from_numpy(np.ascontiguousarray(vector).reshape(1, -1)).to(point)
        (hv,) = torch.autograd.grad(gradient, point, v, retain_graph=True)
        return hv.double().cpu().numpy().ravel()

    flat = gradient.detach().double().cpu().numpy().ravel()
    return LocalCurvature(flat, float(point.detach().double().square().sum()), product)
