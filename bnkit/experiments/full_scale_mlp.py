"""Does BN make a fully connected net test better on all of CIFAR-10, all seeds in one stack?

The fully connected twin of `full_scale`, on a GPU. A step of one such net is too small to keep a
GPU busy, and its launches cost more than its arithmetic: so the seeds are stacked, the whole data
set is on the device, and the step is captured once and replayed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import GraphedStep
from bnkit.rows import Row
from bnkit.train import cross_entropy, growing, train


@dataclass(frozen=True, kw_only=True)
class FullScaleMLP:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "cifar10-jpeg75"
    widths: tuple[int, ...] = (512, 512, 512)
    activation: str = "relu"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "he"
    batch_size: int = 128
    num_steps: int = 5_000
    num_curve_looks: int = 20  # at the test accuracy
    device: str = "cuda"

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE, BATCH = (FullScaleMLP(norm=norm, rate=0.1) for norm in ("none", "batch"))
ARMS = {"none@0.1": NONE, "batch@0.1": BATCH, "none": Tuned(NONE), "batch": Tuned(BATCH)}
RATES = (0.03, 0.3)
STACK = 10


def for_tuning(spec: FullScaleMLP) -> FullScaleMLP:
    """The same training, of which only the accuracies at the end are seen."""
    return replace(spec, num_curve_looks=1)


def run(spec: FullScaleMLP, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        Curves of "test_accuracy" (fraction) and "test_loss" (nat) with running statistics, and at
        the last step those of validation and training images.
    """
    data, last = load(spec.data_set), spec.num_steps
    model = net(spec, data, seeds).to(spec.device)
    curve = growing(0, last, interval=-(-last // spec.num_curve_looks), growth=1.0)
    looks = {"test": curve, "validation": [last], "train": [last]}
    return train(
        model,
        batches(data, spec.batch_size, seeds, device=spec.device),
        seeds=seeds,
        rate=spec.rate,
        num_steps=last,
        step=GraphedStep(model, cross_entropy),
        probes=accuracies(data, looks, spec.device),
        progress=progress,
    )
