"""Which batch normalization takes the largest eigenvalue of a wide net's Fisher matrix away?

Karakida et al. (2019): for a random net of width M and T examples the Fisher matrix of squared
loss, F = Σ ∇f ∇fᵀ / T over examples and outputs f, has an eigenvalue that grows in proportion to M
and belongs to the mean of the outputs. BN at the output takes it away, BN in the layers before does
not. What is left is of the order M / T, so the claim is about T in proportion to M, as here.

J Jᵀ / T has the same eigenvalues as F = Jᵀ J / T, J the derivative of all outputs of all examples
by all weights and biases. Its products with vectors come from a backward pass and the derivative of
one; with BN an output depends on all examples, and so does its row of J.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor
from torch.autograd import grad

from bnkit.experiments import drawn
from bnkit.layers import functional
from bnkit.rows import Row

Parameters = tuple[Tensor, ...]  # W, b, W, b, ...


@dataclass(frozen=True, kw_only=True)
class FisherByWidth:
    """One arm: where BN is."""

    # Scientific: what the chapter compares.
    normalized: Literal["nothing", "hidden", "output"]
    # Fixed: the verdict holds for these values only, and the chapter says so.
    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)  # of the input and each hidden layer
    examples_per_unit: float = 1.0  # T / M
    num_hidden: int = 2
    num_outputs: int = 10
    accuracy: float = 0.01  # of the eigenvalue

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE = FisherByWidth(normalized="nothing")
ARMS = {
    "none": NONE,
    "batch-middle": replace(NONE, normalized="hidden"),
    "batch-last": replace(NONE, normalized="output"),
}


def run(spec: FisherByWidth, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """For each width "fisher_top@width", the largest eigenvalue of F."""
    return drawn(measure, spec, seeds)


def measure(spec: FisherByWidth, rng: np.random.Generator) -> dict[str, float]:
    """One seed: a net and examples of each width."""
    found = {}
    for width in spec.widths:
        inputs, parameters = draw(spec, width, rng)
        outputs = net(spec, inputs)
        found[f"fisher_top@{width}"] = top(outputs, parameters, spec.accuracy, rng)
    return found


def draw(spec: FisherByWidth, width: int, rng: np.random.Generator) -> tuple[Tensor, Parameters]:
    """Normal examples (T, M), and normal weights of variance 2 / inputs with biases of 0."""
    num_examples = max(2, round(spec.examples_per_unit * width))
    inputs = torch.from_numpy(rng.standard_normal((num_examples, width)))
    parameters = []
    for size in [width] * spec.num_hidden + [spec.num_outputs]:
        weight = torch.from_numpy(rng.standard_normal((size, width)))
        parameters += [weight * (2 / width) ** 0.5, torch.zeros(size, dtype=weight.dtype)]
    return inputs, tuple(parameters)


def net(spec: FisherByWidth, inputs: Tensor) -> Callable[..., Tensor]:
    """Weights and biases -> outputs (T, C) of all examples; ReLU, BN without γ and β."""
    bn = {place: place == spec.normalized for place in ("hidden", "output")}

    def outputs(*parameters: Tensor) -> Tensor:
        h = inputs
        layers = list(zip(parameters[::2], parameters[1::2], strict=True))
        for weight, bias in layers[:-1]:
            z = h @ weight.T + bias
            h = torch.relu(functional.batch_norm(z, None, None) if bn["hidden"] else z)
        y = h @ layers[-1][0].T + layers[-1][1]
        return functional.batch_norm(y, None, None) if bn["output"] else y

    return outputs


def top(
    outputs: Callable[..., Tensor],
    parameters: Parameters,
    accuracy: float,
    rng: np.random.Generator,
) -> float:
    """The largest eigenvalue of J Jᵀ / T by Lanczos."""
    parameters = tuple(p.detach().requires_grad_() for p in parameters)
    values = outputs(*parameters)
    num_examples, size = len(values), values.numel()
    u = torch.zeros_like(values, requires_grad=True)
    pulled = grad(values, parameters, u, create_graph=True)  # Jᵀ u, linear in u

    def product(vector: np.ndarray) -> np.ndarray:
        v = torch.from_numpy(np.ascontiguousarray(vector)).view_as(values)
        back = grad(values, parameters, v, retain_graph=True)
        (image,) = grad(pulled, u, back, retain_graph=True)  # the derivative of Jᵀ u is J
        return np.asarray(image.numpy().ravel() / num_examples)

    (found,) = eigsh(
        LinearOperator((size, size), matvec=product, dtype=np.float64),
        k=1,
        which="LA",
        v0=rng.standard_normal(size),
        ncv=min(12, size),
        tol=accuracy,
        return_eigenvectors=False,
    )
    return float(found)
