"""How long is a step? Arms are compared at equal rates, or at steps that are matched.

Each choice takes a landscape, the (K,) losses and the (K, P) gradient at its point, which may be
set to 0 for parameters that stay, and returns the (K, P) step that is to be subtracted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bnkit.probes.landscape import Landscape
from bnkit.probes.parameters import Layer

Step = Callable[[Landscape, Tensor, Tensor], Tensor]


def run_rate(at: Landscape, losses: Tensor, gradient: Tensor) -> Tensor:
    """ε is the learning rate of the coming step. No momentum and no weight decay are added."""
    return at.event.rate * gradient


@dataclass(frozen=True)
class PredictedDecrease:
    """ε such that the first-order decrease of the loss, ε‖g‖², is the given fraction of it."""

    fraction: float

    def __call__(self, at: Landscape, losses: Tensor, gradient: Tensor) -> Tensor:
        """The (K, P) step to be subtracted."""
        return _scaled(gradient, self.fraction * losses, gradient.square().sum(1))


@dataclass(frozen=True)
class RelativeStep:
    """One ε per seed, such that ε‖g‖ / ‖θ‖ is the given ratio, over all trained parameters."""

    ratio: float

    def __call__(self, at: Landscape, losses: Tensor, gradient: Tensor) -> Tensor:
        """The (K, P) step to be subtracted."""
        return _scaled(gradient, self.ratio * at.point.norm(dim=1), gradient.norm(dim=1))


@dataclass(frozen=True)
class RelativeStepPerLayer:
    """An ε for each layer, such that ‖ΔW‖ / ‖W‖ of its weight is the given ratio.

    Its bias, γ and β take that ε too. A layer whose weight is not trained is matched by its first
    trained parameter.
    """

    ratio: float

    def __call__(self, at: Landscape, losses: Tensor, gradient: Tensor) -> Tensor:
        """The (K, P) step to be subtracted."""
        step = torch.zeros_like(gradient)
        for layer in at.layers:
            weight = at.spans[layer.parameters[0]]
            wanted = self.ratio * at.point[:, weight].norm(dim=1)
            own = at.only(gradient, layer.parameters)
            step += _scaled(own, wanted, gradient[:, weight].norm(dim=1))
        return step


def relative_steps(at: Landscape, step: Tensor, layers: Sequence[Layer]) -> Tensor:
    """(len(layers), K) ratios ‖ΔW‖ / ‖W‖ of the weights of these layers."""
    spans = [at.spans[layer.parameters[0]] for layer in layers]
    return torch.stack([step[:, s].norm(dim=1) / at.point[:, s].norm(dim=1) for s in spans])


def _scaled(gradient: Tensor, wanted: Tensor, has: Tensor) -> Tensor:
    """Each row times wanted / has; a row that has nothing takes no step."""
    factor = torch.where(has == 0, 0.0, wanted / has)
    return factor.unsqueeze(1) * gradient
