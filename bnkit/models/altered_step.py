"""Ways to train that change how sharp the loss is where a net comes by, or only how fast it goes.

Each wraps the written-out `StackedStep`, and whatever is scaled is scaled for every stacked seed by
a norm of its own. But for `ScaledHeadMLP` the net and its loss stay what they are.
"""

import math
from typing import Any

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


class ScaledHeadMLP(StackedMLP):
    """A net whose logits are s (V h + b), with V drawn as W is elsewhere and divided by s.

    It begins as the same function as without s. Measured in V and b, though, the loss is s² times
    as curved along them, and a step of the same rate moves the logits s² times as far.

    Args:
        head_scale: s. A power of 2 loses no digit.
        others: as for `StackedMLP`.
    """

    def __init__(self, *args: Any, head_scale: float, **others: Any) -> None:
        if not head_scale > 0:
            raise ValueError(f"head_scale {head_scale}: a scale is above 0")
        super().__init__(*args, **others)
        self.head_scale = head_scale
        with torch.no_grad():
            self.linears[-1].weight /= head_scale

    def forward(self, x: Tensor) -> Tensor:
        """As the net without a scale: logits (K, N, out)."""
        return self.head_scale * super().forward(x)


class ScaledHeadStep:
    """The plain step of a `ScaledHeadMLP`.

    With W = s V, dL/dV = s dL/dW: a step of V is one of W at s² times the rate.
    """

    def __init__(self, model: ScaledHeadMLP) -> None:
        self._step, self._scale = StackedStep(model), model.head_scale
        self._head = [p.detach() for p in model.linears[-1].parameters()]

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """(K,) losses before the step."""
        for p in self._head:
            p *= self._scale
        before = [p.clone() for p in self._head]
        losses = self._step(inputs, targets, rate)
        for p, b in zip(self._head, before, strict=True):
            p.sub_(b).mul_(self._scale**2).add_(b).div_(self._scale)
        return losses


def norms(parts: list[Tensor]) -> Tensor:
    """Of each row over all (K, P) parts together, (K, 1)."""
    # A row at a time and in double precision: no seed's norm depends on its place in the stack.
    squares = [[float(row.double() @ row.double()) for row in part] for part in parts]
    sizes = [[math.sqrt(sum(one))] for one in zip(*squares, strict=True)]
    return torch.tensor(sizes, dtype=parts[0].dtype)
