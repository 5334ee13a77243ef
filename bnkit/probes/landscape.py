"""The loss of a batch as a function of nothing but the parameters.

A stack of K seeds is K points in a space of P dimensions, one row each of a matrix (K, P); a
single model is the case K = 1. Losses, gradients and norms are then one number per row, and
whatever a probe does to a row stays within its seed.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from bnkit.probes.guard import BnMode, measuring
from bnkit.probes.parameters import Layer, layers_in_order
from bnkit.rows import StepEvent

Loss = Callable[[Tensor, Tensor], Tensor]  # (outputs, targets) -> (K,) losses


def mean_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """In nats: (K, N, classes) and (K, N) give (K,); (N, classes) and (N,) give one number."""
    return F.cross_entropy(logits.movedim(-1, 1), targets, reduction="none").mean(-1)


class Landscape:
    """The batch loss of an event over its trained parameters.

    Parameters and buffers are copies, so the model itself never moves. Parameters that do not
    require a gradient are held fixed. Every evaluation starts from the same random state: at
    all points dropout leaves out the same units.

    Attributes:
        event: whose model, batch and rate these are.
        point: (K, P) where the model stands.
        spans: the columns of each trained parameter, by name.
        shapes: the shape of each trained parameter in the model, by name.
    """

    def __init__(self, event: StepEvent, dtype: torch.dtype | None, loss: Loss) -> None:
        def cast(tensor: Tensor) -> Tensor:
            return tensor.detach().to(dtype or tensor.dtype, copy=True)

        named = dict(event.model.named_parameters())
        trained = {name: p for name, p in named.items() if p.requires_grad}
        held = {n: t for n, t in named.items() if n not in trained}
        held.update(event.model.named_buffers())
        num_seeds = len(event.seeds)
        uneven = [name for name, p in trained.items() if p.numel() % num_seeds]
        if uneven or not trained:
            raise ValueError(
                f"parameters {uneven} of a stack of {num_seeds} seeds: each must have an equal "
                "part for every seed, and at least one must require a gradient"
            )
        self.event, self._loss = event, loss
        self._held = {n: cast(t) if t.is_floating_point() else t.clone() for n, t in held.items()}
        self._inputs, self._targets = (
            cast(t) if t.is_floating_point() else t for t in (event.inputs, event.targets)
        )
        self.shapes = {name: p.shape for name, p in trained.items()}
        rows = [cast(p).reshape(num_seeds, -1) for p in trained.values()]
        self.point = torch.cat(rows, dim=1)
        self.spans: dict[str, slice] = {}
        end = 0
        for name, row in zip(trained, rows, strict=True):
            self.spans[name] = slice(end, end := end + row.shape[1])

    @cached_property
    def layers(self) -> list[Layer]:
        """In order of execution, with their trained parameters; costs one forward pass."""
        layers = []
        for layer in layers_in_order(self.event.model, self.event.inputs):
            trained = tuple(name for name in layer.parameters if name in self.spans)
            if trained:
                layers.append(Layer(layer.name, trained))
        return layers

    def outputs(self, point: Tensor) -> Tensor:
        """What the model makes of the batch with the parameters `point`, (K, P)."""
        torch.manual_seed(0)
        moved = {
            name: point[:, span].reshape(self.shapes[name]) for name, span in self.spans.items()
        }
        return functional_call(self.event.model, {**self._held, **moved}, (self._inputs,))

    def losses(self, point: Tensor) -> Tensor:
        """(K,) losses at `point`, (K, P), to be differentiated any number of times."""
        losses = self._loss(self.outputs(point), self._targets).reshape(-1)
        if len(losses) != len(point):
            raise ValueError(f"the loss has {len(losses)} values for {len(point)} seeds")
        return losses

    def gradients(self, point: Tensor) -> tuple[Tensor, Tensor]:
        """(K,) losses and (K, P) gradients at `point`; one forward and one backward pass."""
        point = point.detach().requires_grad_()
        losses = self.losses(point)
        (gradient,) = torch.autograd.grad(losses.sum(), point)  # seeds do not interact
        return losses.detach(), gradient

    def only(self, vectors: Tensor, names: Iterable[str]) -> Tensor:
        """A copy of (K, P) `vectors` that is 0 outside the named parameters."""
        kept = torch.zeros_like(vectors)
        for name in names:
            kept[:, self.spans[name]] = vectors[:, self.spans[name]]
        return kept


@contextmanager
def landscape(
    event: StepEvent,
    bn_mode: BnMode,
    dtype: torch.dtype | None,
    loss: Loss = mean_cross_entropy,
) -> Iterator[Landscape]:
    """The loss around where the model stands, behind the guard.

    Args:
        event: the model and the batch.
        bn_mode: as in `measuring`.
        dtype: to compute in, whatever the model is trained in; None for the model's own.
        loss: (outputs, targets) -> (K,).
    """
    with measuring(event.model, bn_mode), torch.enable_grad():
        yield Landscape(event, dtype, loss)
