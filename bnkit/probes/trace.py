"""How curved is the loss on average over all directions?"""

from dataclasses import dataclass

import numpy as np
import torch

from bnkit.probes.guard import BnMode
from bnkit.probes.hessian import Product, hessian_of
from bnkit.probes.landscape import Loss, landscape, mean_cross_entropy
from bnkit.probes.sharpness import singles
from bnkit.rows import Row, StepEvent


@dataclass(frozen=True, kw_only=True)
class HessianTrace:
    """The trace of the Hessian of the batch loss, by Hutchinson's estimator.

    The mean of vᵀHv over vectors of random signs, as in PyHessian (Yao et al. 2020), with its
    standard error. Like the largest eigenvalue it depends on the scale of the weights: beside it
    stands the trace times ‖θ‖² over the number of parameters, the mean curvature in steps as long
    as θ. Cost per seed: one forward and backward pass, and a double backward pass a vector.

    Attributes:
        num: vectors.
        seed: of the vectors.
    """

    num: int = 20
    seed: int = 0
    loss: Loss = mean_cross_entropy
    bn_mode: BnMode = "batch"
    dtype: torch.dtype | None = torch.float64
    name: str = "trace"

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows `name`, `name`_error and `name`_scale_free, all in nat."""
        found = []
        for one in singles(event):
            with landscape(one, self.bn_mode, self.dtype, self.loss) as at:
                here = hessian_of(at)
                size = len(here.gradient)
                mean, error = estimated_trace(here.product, size, num=self.num, seed=self.seed)
            found.append((mean, error, mean * here.squared_norm / size))
        columns = zip(*found, strict=True)
        return [
            row
            for name, values in zip(("", "_error", "_scale_free"), columns, strict=True)
            for row in event.rows(self.name + name, values, "nat")
        ]


def estimated_trace(product: Product, size: int, *, num: int, seed: int) -> tuple[float, float]:
    """Hutchinson (1990): mean of vᵀAv and its standard error, v of `num` draws of random signs."""
    rng = np.random.default_rng(seed)
    signs = (rng.choice((-1.0, 1.0), size) for _ in range(num))
    values = [float(v @ product(v)) for v in signs]
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(num))
