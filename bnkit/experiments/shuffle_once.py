"""Where does descent end with batch normalization if the same batches come again and again?

Wu, Yun & Sra (2023): each fixed batch normalizes its examples for good, so that the sum of the
losses of the batches is another function than the loss of the whole set, with another minimum.
Batches made anew in each epoch have an expected loss that is nearer to it.

The model is a linear regression behind BN, w · BN(x) + b with the squared error, so that every
minimum is a least-squares solution: that of the whole set, and that of the fixed batches. Descent
runs at a rate that falls to 0. Distances are between predictions for the examples, normalized by
the statistics of the whole set, in relation to the predictions of its minimum.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from bnkit.rows import Row
from bnkit.train import growing

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class ShuffleOnce:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    batches: Literal["once", "each-epoch", "full"]  # when they are made; or the whole set
    batch_size: int = 8
    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_examples: int = 128
    num_inputs: int = 8
    noise: float = 1.0  # standard deviation of the targets around a linear function of that spread
    rate: float = 0.05  # at first; it falls to 0 in a straight line
    num_epochs: int = 2_000

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ONCE, EACH = ShuffleOnce(batches="once"), ShuffleOnce(batches="each-epoch")
ARMS = {
    "single-shuffle": ONCE,
    "reshuffled": EACH,
    "full-batch": ShuffleOnce(batches="full"),
    **{f"single-shuffle-{size}": replace(ONCE, batch_size=size) for size in (4, 16, 32)},
    **{f"reshuffled-{size}": replace(EACH, batch_size=size) for size in (4, 16, 32)},
}


def run(spec: ShuffleOnce, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Descend for each seed on examples of its own, the same in every arm.

    Returns:
        A curve over epochs of "distance", to the minimum of the whole set; at the last epoch
        "distance_to_optimum", the same, and for fixed batches "distance_to_own_optimum", to the
        least-squares solution of those batches.
    """
    return [row for seed in seeds for row in _descent(spec, seed)]


def _descent(spec: ShuffleOnce, seed: int) -> list[Row]:
    x, y = examples(spec, seed)
    whole = with_constant(normalized(x))
    optimum = whole @ least_squares(whole, y)
    theta = np.zeros(spec.num_inputs + 1)
    looks = set(growing(0, spec.num_epochs, interval=1, growth=1.3))
    epochs = orders(spec, seed)
    once, rows = next(epochs), []
    order = once
    prepared = [(with_constant(normalized(x[part])), y[part]) for part in once]
    num_steps = spec.num_epochs * len(once)
    for epoch in range(spec.num_epochs + 1):
        if epoch in looks:
            rows.append(Row(seed, epoch, "distance", distance(whole @ theta, optimum), "1"))
        if epoch == spec.num_epochs:
            break
        if spec.batches == "each-epoch" and epoch > 0:
            order = next(epochs)
            prepared = [(with_constant(normalized(x[part])), y[part]) for part in order]
        for number, (features, targets) in enumerate(prepared):
            rate = spec.rate * (1 - (epoch * len(once) + number) / num_steps)
            residual = features @ theta - targets
            theta -= rate * (residual @ features) / len(targets)
    rows.append(rows[-1]._replace(name="distance_to_optimum"))
    if spec.batches == "once":
        own = least_squares(*(np.concatenate(part) for part in zip(*prepared, strict=True)))
        apart = distance(whole @ theta, whole @ own)
        rows.append(Row(seed, spec.num_epochs, "distance_to_own_optimum", apart, "1"))
    return rows


def examples(spec: ShuffleOnce, seed: int) -> tuple[Array, Array]:
    """Normal inputs (M, D) and noisy linear targets (M,)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((spec.num_examples, spec.num_inputs))
    weights = rng.standard_normal(spec.num_inputs)
    weights /= np.linalg.norm(weights)
    return x, x @ weights + spec.noise * rng.standard_normal(spec.num_examples)


def orders(spec: ShuffleOnce, seed: int) -> Iterator[Array]:
    """Epochs, (batches, N) indices each; the first one is the same whenever batches are made."""
    rng = np.random.default_rng((seed, 1))
    size = spec.num_examples if spec.batches == "full" else spec.batch_size
    while True:
        yield rng.permutation(spec.num_examples).reshape(-1, size)


def normalized(x: Array) -> Array:
    """BN without gamma and beta, eps = 0: (N, D) -> (N, D)."""
    centered = x - x.mean(axis=0)
    return np.asarray(centered / np.sqrt((centered**2).mean(axis=0)))


def with_constant(x: Array) -> Array:
    """A column of ones for b: (N, D) -> (N, D + 1)."""
    return np.hstack([x, np.ones((len(x), 1))])


def least_squares(features: Array, targets: Array) -> Array:
    """The weights with the smallest squared error."""
    return np.asarray(np.linalg.lstsq(features, targets, rcond=None)[0])


def distance(predictions: Array, reference: Array) -> float:
    """In relation to the size of the reference."""
    return float(np.linalg.norm(predictions - reference) / np.linalg.norm(reference))
