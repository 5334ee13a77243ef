"""How sharply is the loss curved?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from bnkit.probes.guard import BnMode
from bnkit.probes.hessian import Product, hessian_of
from bnkit.probes.landscape import Landscape, Loss, landscape, mean_cross_entropy
from bnkit.rows import Row, StepEvent


class Curvature(NamedTuple):
    """Eigenvalues of one Hessian, in descending order, with what is needed to trust them."""

    eigenvalues: np.ndarray  # (num,) nat per squared unit of parameter
    residuals: np.ndarray  # (num,) ‖Hv - λv‖: an eigenvalue lies no farther than this from λ
    gradient_share: float  # of ‖g‖², within the span of these eigenvectors
    squared_norm: float  # ‖θ‖²


@dataclass(frozen=True, kw_only=True)
class Sharpness:
    """The top eigenvalues of the Hessian of the batch loss, by Lanczos.

    Exact Hessian-vector products by a second backward pass; implicitly restarted Lanczos of
    ARPACK, with the residual ‖Hv - λv‖ of each pair. The largest eigenvalue bounds stable
    steps of gradient descent by 2 / λ (Cohen et al. 2021). It is not invariant: a net that ignores
    the scale of its weights can have any sharpness, so the scale-free λ‖θ‖² of Lyu et al. (2022)
    stands beside it. That one is exact if all trained parameters are scale-invariant together
    (fix the others). Neither sees that the layers of a ReLU net can trade their scales: with
    `relative` each parameter tensor is measured in units of its own norm, and λ is the curvature
    per relative step, which no rescaling of tensors that leaves the function alone can change. The
    share of ‖g‖² in the top eigenspace is that of Ghorbani et al. (2019).

    Each seed of a stack is taken out by `model.single(k)` and looked at alone. Cost per seed: one
    forward pass and, as a rule, 20 to 100 double backward passes; the graph of one batch is held
    in memory.

    Attributes:
        num: eigenvalues wanted, fewer than there are parameters.
        which: "LA" the largest, "LM" the largest in magnitude, which may be negative.
        tolerance: relative accuracy of the eigenvalues at which Lanczos stops.
        max_restarts: of Lanczos. What has not converged by then is NaN, never a rough guess.
        seed: of the vector that Lanczos starts with.
        relative: in units of the norm of each parameter tensor.
    """

    num: int = 1
    which: Literal["LA", "LM"] = "LA"
    tolerance: float = 1e-5
    max_restarts: int = 100
    seed: int = 0
    relative: bool = False
    loss: Loss = mean_cross_entropy
    bn_mode: BnMode = "batch"
    dtype: torch.dtype | None = torch.float64
    name: str = "hessian"

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows after `name`: "_1" to "_<num>" (nat) and "_1_residual" and so on.

        Further "_gradient_share" (fraction) and, unless relative, "_scale_free" λ₁‖θ‖² (nat).
        """
        found = []
        for one in singles(event):
            with landscape(one, self.bn_mode, self.dtype, self.loss) as at:
                found.append(self._curvature(at))
        rows = []
        for index in range(self.num):
            values = [curvature.eigenvalues[index] for curvature in found]
            residuals = [curvature.residuals[index] for curvature in found]
            rows += event.rows(f"{self.name}_{index + 1}", values, "nat")
            rows += event.rows(f"{self.name}_{index + 1}_residual", residuals, "nat")
        share = [curvature.gradient_share for curvature in found]
        rows += event.rows(f"{self.name}_gradient_share", share, "fraction")
        if not self.relative:
            scale_free = [curvature.eigenvalues[0] * curvature.squared_norm for curvature in found]
            rows += event.rows(f"{self.name}_scale_free", scale_free, "nat")
        return rows

    def _curvature(self, at: Landscape) -> Curvature:
        g, squared_norm, product = hessian_of(at)
        if self.relative:
            sizes = tensor_norms(at)
            g, product = sizes * g, lambda v, in_units=product: sizes * in_units(sizes * v)
        values, vectors = self._top_pairs(product, g)
        residuals = [
            np.linalg.norm(product(v) - value * v) if np.isfinite(value) else np.nan
            for value, v in zip(values, vectors.T, strict=True)
        ]
        share = ((vectors.T @ g) ** 2).sum() / (g @ g) if g.any() else np.nan
        return Curvature(values, np.array(residuals), share, squared_norm)

    def _top_pairs(self, product: Product, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues (num,) and eigenvectors (P, num); NaN if diverged or not converged."""
        size = len(gradient)
        if not 0 < self.num < size:
            raise ValueError(f"num {self.num}: the Hessian is {size} × {size}, ask for fewer")
        unknown = np.full(self.num, np.nan), np.full((size, self.num), np.nan)
        if not np.isfinite(gradient).all():
            return unknown
        try:
            values, vectors = eigsh(
                LinearOperator((size, size), matvec=product, dtype=np.float64),
                k=self.num,
                which=self.which,
                v0=np.random.default_rng(self.seed).standard_normal(size),
                tol=self.tolerance,
                maxiter=self.max_restarts,
            )
        except ArpackError:
            return unknown
        order = np.argsort(np.abs(values) if self.which == "LM" else values)[::-1]
        return values[order], vectors[:, order]


def tensor_norms(at: Landscape) -> np.ndarray:
    """(P,) for each parameter of a single seed the norm of the tensor that it belongs to."""
    sizes = np.empty(at.point.shape[1])
    for span in at.spans.values():
        sizes[span] = float(at.point[:, span].detach().double().norm())
    return sizes


def singles(event: StepEvent) -> Iterator[StepEvent]:
    """The event of each stacked seed alone, (1, N, D); that of a single model as it is.

    Raises:
        ValueError: a stack whose model cannot give out one of its seeds by `single(k)`.
    """
    if len(event.seeds) == 1:
        yield event
        return
    if not hasattr(event.model, "single"):
        raise ValueError(
            f"{type(event.model).__name__} stacks {len(event.seeds)} seeds and has no single(k): "
            "this probe looks at one network at a time"
        )
    for index, seed in enumerate(event.seeds):
        yield event._replace(
            model=event.model.single(index),
            seeds=(seed,),
            inputs=event.inputs[index : index + 1],
            targets=event.targets[index : index + 1],
        )
