"""How rough is the loss as a function of the activations of one layer?"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bnkit.probes.guard import BnMode
from bnkit.probes.hooks import captured_inputs
from bnkit.probes.landscape import Landscape, Loss, landscape, mean_cross_entropy
from bnkit.probes.smoothness import LENGTHS, Walk
from bnkit.rows import Row, StepEvent


@dataclass(frozen=True, kw_only=True)
class ActivationSmoothness:
    """The measures of `Smoothness` where the activations of a layer move, and not the parameters.

    The theorems of Santurkar et al. (2018), section 4.2, are about this gradient. The input y of
    the module `layer` (before BN it is the output of a linear map) is replaced by y - t d, d
    along the gradient ∇ of the batch loss by y: N ∇, the gradient of the examples' summed
    loss, so that the batch size does not count; or, relative, ∇ ‖y - ȳ‖ / ‖∇‖, which is blind
    to the scale of y. A mean ȳ is that of a channel. All examples move at once. Cost: 1 + T forward
    and backward passes, with T lengths, and a forward pass.

    Attributes:
        layer: name of a module whose input moves.
        lengths: t.
        relative: to the spread of the activations.
    """

    layer: str
    lengths: tuple[float, ...] = LENGTHS
    relative: bool = False
    loss: Loss = mean_cross_entropy
    bn_mode: BnMode = "batch"
    dtype: torch.dtype | None = torch.float64
    name: str = "activation"

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows after `name`, as those of `Smoothness`; gradients in nat per unit of activation."""
        num_seeds = len(event.seeds)
        with landscape(event, self.bn_mode, self.dtype, self.loss) as at:
            with torch.no_grad(), captured_inputs(event.model, [self.layer]) as seen:
                at.losses(at.point)
            y = seen[self.layer].detach()
            start = self._gradients(at, y)
            direction = self._direction(y, start[1], at.event)
            met = [start, *(self._gradients(at, y - t * direction) for t in self.lengths)]
        losses = torch.stack([there for there, _ in met])
        gradients = torch.stack([g.reshape(num_seeds, -1) for _, g in met])
        lengths = torch.tensor(self.lengths).to(losses).unsqueeze(1)
        distance = lengths.abs() * direction.reshape(num_seeds, -1).norm(dim=1)
        rows = []
        for name, (values, unit) in Walk(losses, distance, gradients).summary().items():
            rows += event.rows(f"{self.name}_{name}", values, unit)
        return rows

    def _gradients(self, at: Landscape, y: Tensor) -> tuple[Tensor, Tensor]:
        """(K,) losses and their gradient by the activations, where these are `y`."""
        y = y.detach().requires_grad_()
        with _input_replaced(at.event.model.get_submodule(self.layer), y):
            losses = at.losses(at.point)
        (gradient,) = torch.autograd.grad(losses.sum(), y)
        return losses.detach(), gradient

    def _direction(self, y: Tensor, gradient: Tensor, event: StepEvent) -> Tensor:
        stacked = y.dim() == 3 and len(y) == len(event.seeds)  # (K, C, N), else (N, C, ...)
        if not self.relative:
            return event.targets.shape[-1] * gradient
        samples = (2,) if stacked else (0, *range(2, y.dim()))
        spread = (y - y.mean(dim=samples, keepdim=True)).reshape(len(event.seeds), -1).norm(dim=1)
        size = gradient.reshape(len(event.seeds), -1).norm(dim=1)
        factor = torch.where(size == 0, 0.0, spread / size)
        return factor.reshape(-1, *[1] * (y.dim() - 1)) * gradient


@contextmanager
def _input_replaced(module: nn.Module, y: Tensor) -> Iterator[None]:
    hook = module.register_forward_pre_hook(lambda _, inputs: (y, *inputs[1:]))
    try:
        yield
    finally:
        hook.remove()
