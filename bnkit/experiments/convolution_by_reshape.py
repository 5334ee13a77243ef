"""Is batch normalization after a convolution the same as with each position as an example?

Ioffe & Szegedy (2015), section 3.2: a feature map of p × q positions over m examples is normalized
with one mean and one variance, over m' = m p q values. So (N, C, H, W) may be written as
(N H W, C), and nothing changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from bnkit import reference
from bnkit.experiments import drawn
from bnkit.layers import BatchNorm2d
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class ConvolutionByReshape:
    """Two layers for images, against the NumPy reference on a matrix."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_trials: int = 50
    num_channels: int = 3
    largest_batch: int = 8
    largest_side: int = 9
    eps: float = 1e-5

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": ConvolutionByReshape()}


def run(spec: ConvolutionByReshape, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Largest error of outputs and input gradients, in relation to the largest value."""
    return drawn(measure, spec, seeds)


def measure(spec: ConvolutionByReshape, rng: np.random.Generator) -> dict[str, float]:
    """One seed: the framework's layer and ours."""
    worst = 0.0
    for _ in range(spec.num_trials):
        num_examples = rng.integers(2, spec.largest_batch, endpoint=True)
        height, width = rng.integers(1, spec.largest_side, 2, endpoint=True)
        x, dy = rng.standard_normal((2, num_examples, spec.num_channels, height, width))
        gamma, beta = rng.standard_normal((2, spec.num_channels))

        y, cache = reference.batch_norm_forward(as_matrix(x), gamma, beta, spec.eps)
        dx, _, _ = reference.batch_norm_backward(as_matrix(dy), cache)
        for layer in (nn.BatchNorm2d, BatchNorm2d):
            y_image, dx_image = _through(layer(spec.num_channels, spec.eps), x, gamma, beta, dy)
            worst = max(worst, _error(y_image, y), _error(dx_image, dx))
    return {"max_error": worst}


def _through(
    bn: nn.Module, x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, dy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Output and input gradient, (N, C, H, W) each."""
    bn = bn.double()
    with torch.no_grad():
        bn.get_parameter("weight").copy_(torch.from_numpy(gamma))
        bn.get_parameter("bias").copy_(torch.from_numpy(beta))
    image = torch.tensor(x, requires_grad=True)
    y = bn(image)
    (dx,) = torch.autograd.grad(y, image, torch.from_numpy(dy))
    return y.detach().numpy(), dx.numpy()


def as_matrix(image: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (N H W, C)."""
    return image.transpose(0, 2, 3, 1).reshape(-1, image.shape[1])


def _error(image: np.ndarray, matrix: np.ndarray) -> float:
    return float(np.abs(as_matrix(image) - matrix).max() / np.abs(matrix).max())
