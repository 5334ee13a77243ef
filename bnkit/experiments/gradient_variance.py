"""How well does the gradient of a mini-batch estimate that of the whole training set?

Ioffe & Szegedy (2015), section 1: the better the larger the batch. The gradient of m examples that
are drawn independently is a mean of m gradients, and its squared distance to the full gradient is
1/m of that of a single example, whatever the net: in units of the full gradient's square

    E‖g_m - g‖² / ‖g‖² = c / m.

Only c depends on the net, and grows as ‖g‖ shrinks. Drawn without replacement, m of N examples have
(N - m) / (N - 1) times that, which is 0 at m = N. The net is a small plain one: with batch
normalization the loss of a batch is no mean of losses of single examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np

from bnkit.data import load
from bnkit.experiments import drawn
from bnkit.rows import Row

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class GradientVariance:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    replacement: bool = True  # an example may be drawn twice
    num_steps: int = 0  # of descent on the whole training set, before the gradient is looked at
    # Fixed: the verdict holds for these values only, and the chapter says so.
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
    num_draws: int = 500  # batches of each size
    data_set: str = "digits"
    width: int = 32  # of the one hidden layer, tanh
    rate: float = 0.5

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


FRESH = GradientVariance()
ARMS = {
    "trials": FRESH,
    "without-replacement": replace(FRESH, replacement=False),
    "trained": replace(FRESH, num_steps=300),
}


class Net(NamedTuple):
    """A net of one hidden layer: logits = V tanh(W x + b) + c."""

    w: Array  # (H, D)
    b: Array  # (H,)
    v: Array  # (classes, H)
    c: Array  # (classes,)


def run(spec: GradientVariance, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """For each batch size m, "gradient_relative_variance@m" and "gradient_cosine@m".

    The latter is the mean cosine between the gradient of a batch and the full one.
    """
    return drawn(measure, spec, seeds)


def measure(spec: GradientVariance, rng: np.random.Generator) -> dict[str, float]:
    """One seed: its weights, then its batches."""
    data = load(spec.data_set)
    x, y = data.train.flat.astype(np.float64), np.eye(data.num_classes)[data.train.y]
    net = trained(initial(rng, x.shape[1], spec.width, y.shape[1]), x, y, spec)
    each = gradients_of_examples(net, x, y)  # (M, P)
    full = each.mean(axis=0)
    found = {}
    for size in spec.batch_sizes:
        of_batches = shares(spec, rng, len(x), size) @ each  # (draws, P)
        distances = np.square(of_batches - full).sum(axis=1)
        norms = np.linalg.norm(of_batches, axis=1) * np.linalg.norm(full)
        found[f"gradient_relative_variance@{size}"] = float(distances.mean() / (full @ full))
        found[f"gradient_cosine@{size}"] = float((of_batches @ full / norms).mean())
    return found


def initial(rng: np.random.Generator, inputs: int, width: int, classes: int) -> Net:
    """Gaussian weights of standard deviation 1/√(inputs of the unit), no bias."""
    w, v = (
        rng.standard_normal((out, into)) / np.sqrt(into)
        for out, into in ((width, inputs), (classes, width))
    )
    return Net(w, np.zeros(width), v, np.zeros(classes))


def trained(net: Net, x: Array, y: Array, spec: GradientVariance) -> Net:
    """The net after `num_steps` steps along the full gradient."""
    for _ in range(spec.num_steps):
        h, dz, dlogits = _back(net, x, y)
        m = len(x)
        gradient = (dz.T @ x / m, dz.mean(axis=0), dlogits.T @ h / m, dlogits.mean(axis=0))
        net = Net(*(p - spec.rate * g for p, g in zip(net, gradient, strict=True)))
    return net


def gradients_of_examples(net: Net, x: Array, y: Array) -> Array:
    """(M, P): each example's own gradient, parameters in the order of `Net`."""
    h, dz, dlogits = _back(net, x, y)
    parts = (dz[:, :, None] * x[:, None], dz, dlogits[:, :, None] * h[:, None], dlogits)
    return np.concatenate([part.reshape(len(x), -1) for part in parts], axis=1)


def shares(spec: GradientVariance, rng: np.random.Generator, num_examples: int, size: int) -> Array:
    """(draws, M): which share of each batch an example is; rows add up to 1."""
    counts = np.zeros((spec.num_draws, num_examples))
    for row in counts:
        if spec.replacement:
            np.add.at(row, rng.integers(num_examples, size=size), 1.0)
        else:
            row[rng.permutation(num_examples)[:size]] = 1.0
    return counts / size


def _back(net: Net, x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Hidden values, and each example's cross-entropy gradient at z = W x + b and the logits."""
    h = np.tanh(x @ net.w.T + net.b)  # (M, H)
    logits = h @ net.v.T + net.c
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    dlogits = p / p.sum(axis=1, keepdims=True) - y  # (M, classes)
    return h, (dlogits @ net.v) * (1.0 - h**2), dlogits
