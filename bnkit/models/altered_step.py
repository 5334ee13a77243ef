"""Ways to descend that change how sharp the loss is where a net comes by, or only how fast it goes.

The net and its loss stay what they are; only the step differs. Each wraps the written-out
`StackedStep`, and whatever is scaled is scaled for every stacked seed by a norm of its own.
"""

import math

import torch
from torch import Tensor

from bnkit.models.stacked_mlp import StackedMLP
from bnkit.models.stacked_step import StackedStep


class _Altered:
    """What the steps below share: the parameters of K seeds as rows, and their gradients."""

    def __init__(self, model: StackedMLP) -> None:
        self._step = StackedStep(model)
        self._buffers = list(model.buffers())
        # (K, P) views, so that what is added to them is added to the model.
        self._parameters = [p.detach().view(len(model.seeds), -1) for p in model.parameters()]

    def _gradient(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(K,) losses and the gradients, (K, P) each; no parameter moves."""
        before = [p.clone() for p in self._parameters]
        losses = self._step(inputs, targets, 1.0)
        gradient = [b - p for b, p in zip(before, self._parameters, strict=True)]
        for p, b in zip(self._parameters, before, strict=True):
            p.copy_(b)
        return losses, gradient


class SharpnessAwareStep(_Altered):
    """Descend by the gradient that is found a little way uphill (Foret et al., 2021, equation 3).

    The gradient is taken at θ + ρ g / ‖g‖, on the same batch, and the step is made from θ. With a
    negative ρ it is taken downhill instead, which seeks sharp places. Cost: two plain steps.
    Running statistics see the batch at θ alone.

    Args:
        model: as for `StackedStep`.
        radius: ρ, a distance in parameter space.
    """

    def __init__(self, model: StackedMLP, radius: float) -> None:
        super().__init__(model)
        self._radius = radius

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """(K,) losses before the step."""
        losses, gradient = self._gradient(inputs, targets)
        statistics = [buffer.clone() for buffer in self._buffers]
        norm = norms(gradient)
        away = [torch.where(norm == 0, 0.0, self._radius * g / norm) for g in gradient]
        for p, way in zip(self._parameters, away, strict=True):
            p += way
        self._step(inputs, targets, rate)
        for p, way in zip(self._parameters, away, strict=True):
            p -= way
        for buffer, kept in zip(self._buffers, statistics, strict=True):
            buffer.copy_(kept)
        return losses


class ClippedStep(_Altered):
    """Shorten the gradient to a largest norm (Pascanu et al., 2013, algorithm 1).

    Args:
        model: as for `StackedStep`.
        largest: norm of a seed's whole gradient from which on it is shortened to this.
    """

    def __init__(self, model: StackedMLP, largest: float) -> None:
        if not largest > 0:
            raise ValueError(f"largest {largest}: a norm to clip to is above 0")
        super().__init__(model)
        self._largest = largest

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """(K,) losses before the step."""
        losses, gradient = self._gradient(inputs, targets)
        share = (self._largest / norms(gradient)).clamp(max=1.0)
        for p, g in zip(self._parameters, gradient, strict=True):
            p -= rate * share * g
        return losses


class SkippedStep:
    """Take one step and let the next ones pass: the same way, more slowly.

    Args:
        model: as for `StackedStep`.
        every: of so many calls the first is a step.
    """

    def __init__(self, model: StackedMLP, every: int) -> None:
        if every < 1:
            raise ValueError(f"every {every}: one step in 1 or more")
        self._step, self._every, self._now = StackedStep(model), every, -1
        self._losses = torch.empty(0)

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """(K,) losses before the last step that was taken."""
        self._now += 1
        if self._now % self._every == 0:
            self._losses = self._step(inputs, targets, rate)
        return self._losses


def norms(parts: list[Tensor]) -> Tensor:
    """Of each row over all (K, P) parts together, (K, 1)."""
    # A row at a time and in double precision: no seed's norm depends on its place in the stack.
    squares = [[float(row.double() @ row.double()) for row in part] for part in parts]
    return torch.tensor([[math.sqrt(sum(one))] for one in zip(*squares, strict=True)])
