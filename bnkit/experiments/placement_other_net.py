"""Is the better place of batch normalization the same in another net?

The caffenet benchmark has BN behind the ReLU better than in front of it in CaffeNet, and worse in
GoogLeNet. This is the grid of `placement_grid`, with ReLU, on another architecture: four
convolutions in two stages, on the same 1,000 images of MNIST at half their resolution, so that a
CPU can train them. They err on less than 8 % of the test images, so that a gap is judged in
relation to the error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch.nn import functional

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned
from bnkit.fully_connected import last_errors
from bnkit.models.plain_cnn import PlainCNN
from bnkit.probes import Evaluation
from bnkit.rows import Row
from bnkit.train import Batch, at, growing, stacked_batches, train


@dataclass(frozen=True, kw_only=True)
class PlacementOtherNet:
    """One cell of the grid, or the plain net."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    placement: Literal["before", "after"] = "before"  # of BN: "before" the ReLU or "after" it
    affine: bool = True  # learn gamma and beta
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float = 1.0
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist1k"
    pooled: int = 2  # pixels, by rows and by columns, whose mean is one pixel of the input
    stages: tuple[tuple[int, ...], ...] = ((8, 8), (16, 16))  # widths, a pooling after each stage
    activation: Literal["relu"] = "relu"
    init: Literal["he"] = "he"
    batch_size: int = 50  # examples per step; BN averages over their positions too
    num_steps: int = 1_000

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE = PlacementOtherNet(norm="none")
BEFORE = replace(NONE, norm="batch")
AFTER = replace(BEFORE, placement="after")
ARMS = {
    "none-relu": Tuned(NONE),
    "before-affine-relu": Tuned(BEFORE),
    "after-affine-relu": Tuned(AFTER),
    "before-bare-relu": Tuned(replace(BEFORE, affine=False)),
    "after-bare-relu": Tuned(replace(AFTER, affine=False)),
}
RATES = (0.03, 1.0)


def run(spec: PlacementOtherNet, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, one after the other.

    Returns:
        A curve of "test_accuracy" (fraction) and "test_loss" (nat) with running statistics, at the
        last step those of the validation images, and "test_error" (fraction).
    """
    data = load(spec.data_set)
    splits = {"test": data.test, "validation": data.validation}
    looks = {
        "test": growing(0, spec.num_steps, interval=20, growth=1.6),
        "validation": [spec.num_steps],
    }
    rows: list[Row] = []
    for seed in seeds:
        rows += train(
            network(spec, data, seed),
            batches(spec, data, seed),
            seeds=[seed],
            rate=spec.rate,
            num_steps=spec.num_steps,
            loss=functional.cross_entropy,
            probes=[
                (
                    at(looks[name]),
                    Evaluation(
                        name,
                        torch.tensor(smaller(split.x, spec.pooled)),
                        torch.tensor(split.y),
                        data.num_classes,
                        chunk=500,
                    ),
                )
                for name, split in splits.items()
            ],
            progress=progress,
        )
    return rows + last_errors(rows, spec.num_steps)


def network(spec: PlacementOtherNet, data: Dataset, seed: int) -> PlainCNN:
    """The net of one seed."""
    channels, height, width = data.image_shape
    return PlainCNN(
        (channels, height // spec.pooled, width // spec.pooled),
        data.num_classes,
        seed,
        stages=spec.stages,
        norm=spec.norm,
        activation=spec.activation,
        placement=spec.placement,
        affine=spec.affine,
        init=spec.init,
    )


def smaller(images: np.ndarray, pooled: int) -> np.ndarray:
    """(N, C, H, W) -> means over squares of `pooled` by `pooled` pixels."""
    n, c, h, w = images.shape
    squares = images.reshape(n, c, h // pooled, pooled, w // pooled, pooled)
    return np.ascontiguousarray(squares.mean(axis=(3, 5), dtype=np.float32))


def batches(spec: PlacementOtherNet, data: Dataset, seed: int) -> Iterator[Batch]:
    """Those of one seed, for a network that knows of no stack."""
    x, y = torch.tensor(smaller(data.train.x, spec.pooled)), torch.tensor(data.train.y)
    for inputs, targets in stacked_batches(x, y, batch_size=spec.batch_size, seeds=[seed]):
        yield inputs[0], targets[0]
