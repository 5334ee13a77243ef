"""A learning rate of its own for the hidden weights or for the head, to see whose limit it is.

A net bears a rate or it does not, and which of its parameters set the limit does not show. Here one
part descends at a multiple of the rate at which the others do.
"""

from collections.abc import Mapping

from torch import Tensor

from bnkit.models.stacked_mlp import StackedMLP
from bnkit.models.stacked_step import StackedStep

PARTS = ("hidden", "head")


class PartRates:
    """The plain step of gradient descent, longer in some parts.

    Args:
        model: as for `StackedStep`.
        factors: of the rate: "hidden", of the linear layers in front of the nonlinearities, and
            "head", of the last one. What is not named, and γ and β always, has the rate itself.
        hold: give each unit's hidden weights the norm that they began with, after every step. In
            front of a normalizer that leaves the net the function that it is.
    """

    def __init__(
        self, model: StackedMLP, factors: Mapping[str, float], *, hold: bool = False
    ) -> None:
        unknown = sorted(set(factors) - set(PARTS))
        if unknown:
            raise ValueError(f"part {unknown[0]!r}: choose of {', '.join(PARTS)}")
        self._step = StackedStep(model)
        parts = {"hidden": model.linears[:-1], "head": model.linears[-1:]}
        self._longer = [
            (p.detach(), factor)
            for part, factor in factors.items()
            for linear in parts[part]
            for p in linear.parameters()
        ]
        held = [linear.get_parameter("weight").detach() for linear in model.linears[:-1]]
        self._held = [(w, _norms(w)) for w in held] if hold else []

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """(K,) losses before the step."""
        before = [p.clone() for p, _ in self._longer]
        losses = self._step(inputs, targets, rate)
        for (p, factor), start in zip(self._longer, before, strict=True):
            p.sub_(start).mul_(factor).add_(start)
        for weight, first in self._held:
            weight.mul_(first / _norms(weight))
        return losses


def _norms(weight: Tensor) -> Tensor:
    """(K, out, 1) of the weights of each unit, from (K, out, in)."""
    found: Tensor = weight.norm(dim=2, keepdim=True)
    return found
