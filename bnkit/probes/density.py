"""How are all eigenvalues of the Hessian spread?"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal

from bnkit.probes.guard import BnMode
from bnkit.probes.hessian import Product, hessian_of
from bnkit.probes.landscape import Loss, landscape, mean_cross_entropy
from bnkit.probes.sharpness import singles
from bnkit.rows import Row, StepEvent


@dataclass(frozen=True, kw_only=True)
class SpectralDensity:
    """The density of the Hessian's eigenvalues, by stochastic Lanczos quadrature.

    As Ghorbani et al. (2019), section 2: from a random vector some steps of Lanczos give nodes and
    weights of a Gaussian quadrature, whose mean over vectors stands for the density. Single
    eigenvalues within the bulk are not resolved. Cost per seed: one forward and backward pass and,
    for each vector and step, a double backward pass.

    Attributes:
        num_steps: of Lanczos, so many nodes.
        num: vectors.
        seed: of the vectors.
    """

    num_steps: int = 60
    num: int = 4
    seed: int = 0
    loss: Loss = mean_cross_entropy
    bn_mode: BnMode = "batch"
    dtype: torch.dtype | None = torch.float64
    name: str = "density"

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows `name`_node_<i> (nat) and `name`_weight_<i> (fraction), i from 1, ascending.

        The weights of a seed sum to 1. NaN where the gradient is not finite.
        """
        found = []
        for one in singles(event):
            with landscape(one, self.bn_mode, self.dtype, self.loss) as at:
                here = hessian_of(at)
                found.append(self._quadrature(here.product, here.gradient))
        nodes, weights = (np.stack(part, axis=1) for part in zip(*found, strict=True))  # (I, K)
        rows = []
        for index, (node, weight) in enumerate(zip(nodes, weights, strict=True), start=1):
            rows += event.rows(f"{self.name}_node_{index}", node, "nat")
            rows += event.rows(f"{self.name}_weight_{index}", weight, "fraction")
        return rows

    def _quadrature(self, product: Product, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not np.isfinite(gradient).all():
            return (np.full(self.num * self.num_steps, np.nan),) * 2
        return quadrature(
            product, len(gradient), num_steps=self.num_steps, num=self.num, seed=self.seed
        )


def quadrature(
    product: Product, size: int, *, num_steps: int, num: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes, ascending, and weights that sum to 1, (num * num_steps,) each, of the density of A.

    Σ weight f(node) estimates trace(f(A)) / size. Where a Krylov space is exhausted early, the
    nodes that are missing stand at the largest one found, with weight 0.
    """
    rng = np.random.default_rng(seed)
    nodes, weights = [], []
    for _ in range(num):
        diagonal, beside = lanczos(product, rng.choice((-1.0, 1.0), size), num_steps)
        values, vectors = eigh_tridiagonal(diagonal, beside)
        missing = num_steps - len(values)
        nodes += [*values, *[values[-1]] * missing]
        weights += [*vectors[0] ** 2 / num, *[0.0] * missing]
    order = np.argsort(nodes, kind="stable")
    return np.array(nodes)[order], np.array(weights)[order]


def lanczos(product: Product, start: np.ndarray, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The tridiagonal matrix of A in the Krylov space of `start`: its diagonal and the one beside.

    Each new vector is made orthogonal to all earlier ones, twice, since rounding would otherwise
    bring eigenvalues back that were found before.
    """
    basis = np.zeros((num_steps, len(start)))
    diagonal: list[float] = []
    beside: list[float] = []
    vector = start / np.linalg.norm(start)
    for step in range(num_steps):
        basis[step] = vector
        image = product(vector)
        diagonal.append(float(vector @ image))
        for _ in range(2):
            image = image - basis[: step + 1].T @ (basis[: step + 1] @ image)
        length = float(np.linalg.norm(image))
        scale = max(map(abs, [*diagonal, *beside]))
        if step == num_steps - 1 or length <= 1e-10 * scale:
            break
        beside.append(length)
        vector = image / length
    return np.array(diagonal), np.array(beside)
