"""Do activations and gradients keep their size from layer to layer?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bnkit.probes.guard import BnMode
from bnkit.probes.hooks import captured_inputs
from bnkit.probes.landscape import Loss, landscape, mean_cross_entropy
from bnkit.rows import Row, StepEvent


@dataclass(frozen=True, kw_only=True)
class SizeByDepth:
    """Size of the inputs of some modules, in order of depth, and of the loss gradient at them.

    Mean absolute value of the activations (Bjorck et al. 2018, on diverging nets), and norm of
    the gradient with respect to them over the whole batch, whose growth towards the input
    Yang et al. (2019) derive for batch normalization. Growth is the slope of a line through the
    logarithms, per module of the list, so list modules of equal width, one per layer. It says
    nothing about directions: a net may keep all sizes and lose all rank. Cost: one forward and one
    backward pass.

    Attributes:
        layers: names of modules, the first one nearest to the input.
    """

    layers: tuple[str, ...]
    loss: Loss = mean_cross_entropy
    bn_mode: BnMode = "batch"
    dtype: torch.dtype | None = torch.float64

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows "activation_<i>" and "activation_gradient_<i>", i from 1 for the first module.

        After each name also "_growth", the slope of ln(size) per module, and "_growth_r2", the
        share of the variance of ln(size) that a straight line has.
        """
        with (
            landscape(event, self.bn_mode, self.dtype, self.loss) as at,
            captured_inputs(event.model, self.layers) as seen,
        ):
            losses = at.losses(at.point)
            values = [seen[name] for name in self.layers]
            gradients = torch.autograd.grad(losses.sum(), values)
        num_seeds = len(event.seeds)
        sizes = [v.detach().reshape(num_seeds, -1).abs().mean(1) for v in values]
        norms = [g.reshape(num_seeds, -1).norm(dim=1) for g in gradients]
        return [
            *by_depth(event, "activation", sizes, "1"),
            *by_depth(event, "activation_gradient", norms, "nat"),
        ]


@dataclass(frozen=True, kw_only=True)
class WeightsByDepth:
    """Norm of each layer's weight and of the loss gradient with respect to it.

    Layers are found by running the model once, the weight alone counts. By themselves these norms
    say nothing about how far a step moves the function: for a weight under a normalizer the norm
    is without effect, and the gradient is inversely proportional to it. Cost: two forward passes
    and one backward pass.
    """

    loss: Loss = mean_cross_entropy
    bn_mode: BnMode = "batch"
    dtype: torch.dtype | None = torch.float64

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows "weight_<i>" (1) and "weight_gradient_<i>" (nat), i from 1 for the first layer.

        After each name also "_growth" and "_growth_r2", as in `SizeByDepth`.
        """
        with landscape(event, self.bn_mode, self.dtype, self.loss) as at:
            _, gradient = at.gradients(at.point)
            spans = [at.spans[layer.parameters[0]] for layer in at.layers]
        return [
            *by_depth(event, "weight", [at.point[:, s].norm(dim=1) for s in spans], "1"),
            *by_depth(event, "weight_gradient", [gradient[:, s].norm(dim=1) for s in spans], "nat"),
        ]


def by_depth(event: StepEvent, name: str, sizes: Sequence[Tensor], unit: str) -> list[Row]:
    """One row for each depth, from (K,) sizes; from two depths on, growth and its R² as well."""
    rows = []
    for depth, of_seeds in enumerate(sizes, start=1):
        rows += event.rows(f"{name}_{depth}", of_seeds, unit)
    if len(sizes) > 1:
        slope, r2 = log_growth(torch.stack(list(sizes)).double().cpu().numpy())
        rows += event.rows(f"{name}_growth", slope, "1")
        rows += event.rows(f"{name}_growth_r2", r2, "1")
    return rows


def log_growth(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and R² of the least-squares line through ln(sizes), (depths, K), over depth."""
    depth = np.arange(len(sizes)) - (len(sizes) - 1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):  # sizes of 0, or a diverged seed
        logs = np.log(sizes) - np.log(sizes).mean(axis=0)
        slope = depth @ logs / (depth @ depth)
        r2 = slope**2 * (depth @ depth) / (logs**2).sum(axis=0)
    return slope, r2
