"""What does batch normalization do to gradients on their way down a deep plain net at the start?

Yang et al. (2019): with ReLU, Gaussian weights and large batches the squared norm of the gradient
grows by π / (π - 1) = 1.467 from each layer to the one below, so that it explodes with depth.
Meterez et al. (2024): with orthogonal weights and no nonlinearity it stays bounded. A growth of
1 % a layer is no bound, hence the deep arms: over 400 layers it becomes a factor of 50.

A layer is z = h W, x_hat = BN(z), h = φ(x_hat), without γ and β. A random gradient enters at the
top and is looked at where each BN ends, at x_hat. There the lowest layer is like all others, though
its inputs, which no φ has cut, have twice their variance. The growth is the geometric mean over
layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from bnkit import reference
from bnkit.experiments import drawn
from bnkit.rows import Row

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class GradientGrowth:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    activation: Literal["relu", "linear"]
    batch_size: int
    weights: Literal["gaussian", "orthogonal"] = "gaussian"
    # Fixed: the verdict holds for these values only, and the chapter says so.
    width: int = 512
    depth: int = 40

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


_ORTHOGONAL = GradientGrowth(activation="linear", weights="orthogonal", batch_size=64, width=256)
ARMS = {
    **{
        f"relu-{size}": GradientGrowth(activation="relu", batch_size=size)
        for size in (32, 128, 512)
    },
    "linear-128": GradientGrowth(activation="linear", batch_size=128),
    "linear-orthogonal-64": _ORTHOGONAL,
    "linear-orthogonal-64-deep": replace(_ORTHOGONAL, depth=400),
    "linear-orthogonal-square-deep": replace(_ORTHOGONAL, width=64, depth=400),
}


def run(spec: GradientGrowth, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Growth a layer of the gradient's norm, "gradient_norm_growth", and of its square.

    The square is "gradient_growth"; "gradient_norm@l" is the norm at x_hat of layer l, 1 being the
    lowest, in relation to that of the highest; "total_growth" is that of the lowest layer.
    """
    return drawn(measure, spec, seeds)


def measure(spec: GradientGrowth, rng: np.random.Generator) -> dict[str, float]:
    """One seed: independent normal inputs, and back with the closed form of the reference."""
    norms = gradient_norms(spec, rng)
    growth = float((norms[0] / norms[-1]) ** (1.0 / (len(norms) - 1)))
    curve = {f"gradient_norm@{i}": float(n / norms[-1]) for i, n in enumerate(norms, start=1)}
    return {
        "gradient_growth": growth**2,
        "gradient_norm_growth": growth,
        "total_growth": curve["gradient_norm@1"],
        **curve,
    }


def gradient_norms(spec: GradientGrowth, rng: np.random.Generator) -> Array:
    """(depth,) norms of the gradient at x_hat of each layer, the lowest first."""
    h = rng.standard_normal((spec.batch_size, spec.width))  # (N, C)
    ones, zeros = np.ones(spec.width), np.zeros(spec.width)
    layers = []
    for _ in range(spec.depth):
        w = _weights(spec, rng)
        x_hat, cache = reference.batch_norm_forward(h @ w, ones, zeros, eps=0.0)
        layers.append((w, cache))
        h = np.maximum(x_hat, 0.0) if spec.activation == "relu" else x_hat
    dh = rng.standard_normal(h.shape)
    norms = []
    for w, cache in reversed(layers):
        dx_hat = dh * (cache.x_hat > 0.0) if spec.activation == "relu" else dh
        norms.append(np.linalg.norm(dx_hat))
        dz, _, _ = reference.batch_norm_backward(dx_hat, cache)
        dh = dz @ w.T
    return np.array(norms[::-1])


def _weights(spec: GradientGrowth, rng: np.random.Generator) -> Array:
    """(C, C); the sign of R makes the orthogonal ones uniform (Haar)."""
    w = rng.standard_normal((spec.width, spec.width))
    if spec.weights == "gaussian":
        return np.asarray(w / np.sqrt(spec.width))
    q, r = np.linalg.qr(w)
    return np.asarray(q * np.sign(np.diag(r)))
