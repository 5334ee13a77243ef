"""Which way to look, and in which unit of length?

Each choice takes a landscape and the (K, P) gradient at its point, and yields (K, P) directions d;
a probe looks at the points θ - t d. A rescaled net is the same function with another gradient, so
a number that holds for one unit of length only may be about scale, not about the function.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from bnkit.probes.landscape import Landscape
from bnkit.probes.parameters import num_filters

Directions = Callable[[Landscape, Tensor], Iterator[Tensor]]


def gradient_itself(at: Landscape, gradient: Tensor) -> Iterator[Tensor]:
    """Then t is a learning rate, as in Santurkar et al. (2018), Figure 4."""
    yield gradient


def unit_gradient(at: Landscape, gradient: Tensor) -> Iterator[Tensor]:
    """The gradient divided by its norm: t is a distance in parameter space."""
    norm = gradient.norm(dim=1, keepdim=True)
    yield torch.where(norm == 0, 0.0, gradient / norm)


def filter_normalized_gradient(at: Landscape, gradient: Tensor) -> Iterator[Tensor]:
    """Each filter of the gradient with the norm of that filter's weights: t is a relative step."""
    yield filter_normalized(at, gradient)


@dataclass(frozen=True)
class RandomDirections:
    """Gaussian directions, filter-normalized; the same ones whenever a seed is looked at.

    Attributes:
        num: directions for each seed.
        seed: of their generator, together with the replicate's own seed. The random state of the
            run is not used.
    """

    num: int = 20
    seed: int = 0

    def __call__(self, at: Landscape, gradient: Tensor) -> Iterator[Tensor]:
        """Yields `num` directions (K, P)."""
        generators = [
            torch.Generator().manual_seed(1_000_003 * (self.seed + 1) + replicate)
            for replicate in at.event.seeds
        ]
        for _ in range(self.num):
            drawn = [
                torch.randn(gradient.shape[1], generator=g, dtype=torch.float64) for g in generators
            ]
            yield filter_normalized(at, torch.stack(drawn).to(gradient))


def filter_normalized(at: Landscape, direction: Tensor) -> Tensor:
    """Give each filter of `direction`, (K, P), the norm of that filter's weights.

    Li et al. (2018), "Visualizing the Loss Landscape of Neural Nets", section 4. As in the
    authors' plots, all other parameters (biases, γ and β) stay where they are.
    """
    scaled = torch.zeros_like(direction)
    num_seeds = len(direction)
    for name in (layer.parameters[0] for layer in at.layers):
        if len(at.shapes[name]) < 2:
            continue  # the weight of this layer is not trained
        span, filters = at.spans[name], num_filters(at.shapes[name], num_seeds)
        own = direction[:, span].reshape(num_seeds, filters, -1)
        weights = at.point[:, span].reshape(num_seeds, filters, -1)
        length = own.norm(dim=2, keepdim=True)
        unit = torch.where(length == 0, 0.0, own / length)
        scaled[:, span] = (unit * weights.norm(dim=2, keepdim=True)).flatten(1)
    return scaled
