"""What do the small nets' results become at the scale of the papers: a VGG, a ResNet, CIFAR-10?

The twins on a GPU of sweeps that a CPU can do: BN against none at one rate and at each arm's own;
noise behind each BN at the dose of Santurkar et al. (2018), section 2.1; a residual net, whose
skips are said to need BN least; and batches from 8 to 512 with BN and with group normalization,
which sees no batch, at an equal number of examples. The loss surface is `landscape`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bnkit.data import Dataset, load
from bnkit.data.dataset import Split
from bnkit.experiments import Tuned
from bnkit.experiments.landscape import unstacked
from bnkit.models import VGG, GraphedStep, ResNet
from bnkit.models.channel_noise import ChannelNoise
from bnkit.models.vgg import STAGES
from bnkit.probes import ActivationDrift, Evaluation
from bnkit.rows import Row
from bnkit.train import Probe, Schedule, at, cross_entropy, growing, stacked_batches, train


@dataclass(frozen=True, kw_only=True)
class FullScale:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    network: Literal["vgg", "resnet"]
    norm: str
    dose: float = 0.0  # of `ChannelNoise`, behind each normalizer; 0.5 is the paper's
    batch_size: int = 128
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "cifar10-jpeg75"
    num_seen: int = 640_000  # examples a run, repetitions counted: 5,000 steps of 128
    device: str = "cuda"
    num_curve_looks: int = 20  # at the test accuracy
    num_drift_looks: int = 10  # at how far one step moves the activations
    num_probe_examples: int = 256  # of the validation split, where activations are looked at

    version: ClassVar[int] = 1  # bump when run() starts to compute something else

    @property
    def num_steps(self) -> int:
        """As many as it takes to see `num_seen` examples."""
        return self.num_seen // self.batch_size


NONE, BATCH = (FullScale(network="vgg", norm=norm, rate=0.1) for norm in ("none", "batch"))
RESNETS = {norm: replace(NONE, network="resnet", norm=norm) for norm in ("none", "batch")}
BATCH_SIZES = (8, 32, 512)
ARMS = {
    "none@0.1": NONE,
    "batch@0.1": BATCH,
    "none": Tuned(NONE),
    "batch": Tuned(BATCH),
    "noisy-0.5": Tuned(replace(BATCH, dose=0.5)),
    **{f"{norm}-resnet": Tuned(spec) for norm, spec in RESNETS.items()},
    "group": Tuned(replace(NONE, norm="layer")),
    **{
        f"{arm}-of-{size}": Tuned(replace(NONE, norm=norm, batch_size=size))
        for size in BATCH_SIZES
        for arm, norm in (("batch", "batch"), ("group", "layer"))
    },
}
RATES = (0.03, 0.3)
STACK = 1


def for_tuning(spec: FullScale) -> FullScale:
    """The same training, of which only the accuracies are seen."""
    return replace(spec, num_curve_looks=1, num_drift_looks=0)


def run(spec: FullScale, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, one after the other.

    Returns:
        Curves of "test_accuracy" and "test_loss", at the end also of "train_" and "validation_";
        of the inputs of the last nonlinearity of a VGG "drift_raw" and "drift_scaled" over one
        step, noise included; at the last step their means, "activation_drift_raw" and
        "activation_drift_scaled".
    """
    rows = []
    for seed in seeds:
        seen = _trained(spec, seed, progress)
        rows += [*seen, *_mean_drifts(spec, seed, seen)]
    return rows


def _trained(spec: FullScale, seed: int, progress: str | None) -> list[Row]:
    data = load(spec.data_set)
    batches = stacked_batches(
        _images(spec, data.train),
        torch.tensor(data.train.y, device=spec.device),
        batch_size=spec.batch_size,
        seeds=[seed],
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # of the noise
        model = net(spec, seed, data)
        return train(
            model,
            unstacked(batches),
            seeds=[seed],
            rate=spec.rate,
            num_steps=spec.num_steps,
            step=GraphedStep(model, cross_entropy),
            probes=_looks(spec, data),
            progress=progress,
        )


def net(spec: FullScale, seed: int, data: Dataset) -> nn.Module:
    """The network on its device, with noise behind each normalizer if there is any dose of it.

    Raises:
        ValueError: noise is asked for in a residual net, which has no arm with it.
    """
    shape, num_classes = data.image_shape, data.num_classes
    model: nn.Module
    if spec.network == "resnet":
        if spec.dose:
            raise ValueError(f"dose {spec.dose} in a resnet: there is noise in the VGG only")
        model = ResNet(shape, num_classes, seed, norm=spec.norm)
    else:
        model = VGG(shape, num_classes, seed, norm=spec.norm)
        if spec.dose:
            model.norms = nn.ModuleList(
                nn.Sequential(norm, ChannelNoise(spec.dose)) for norm in model.norms
            )
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.to(spec.device)


def _images(spec: FullScale, split: Split) -> Tensor:
    x = torch.tensor(split.x, device=spec.device)
    return x.contiguous(memory_format=torch.channels_last)


def _looks(spec: FullScale, data: Dataset) -> list[tuple[Schedule, Probe]]:
    last = spec.num_steps

    def evaluation(name: str, split: Split) -> Evaluation:
        labels = torch.tensor(split.y, device=spec.device)
        return Evaluation(name, _images(spec, split), labels, data.num_classes, chunk=1_000)

    curve = growing(0, last, interval=-(-last // spec.num_curve_looks), growth=1.0)
    looks: list[tuple[Schedule, Probe]] = [
        (at(curve), evaluation("test", data.test)),
        (at([last]), evaluation("validation", data.validation)),
        (at([last]), evaluation("train", data.train)),
    ]
    if spec.network == "vgg" and spec.num_drift_looks:
        layer = f"activations.{sum(map(len, STAGES[11])) - 1}"
        x = _images(spec, data.validation)[: spec.num_probe_examples]
        pairs = at([step + after for step in drift_looks(spec) for after in (0, 1)])
        looks.append((pairs, ActivationDrift(layer, x, bn_mode="batch")))
    return looks


def drift_looks(spec: FullScale) -> list[int]:
    """The steps whose effect on the activations is measured."""
    return [spec.num_steps * k // spec.num_drift_looks for k in range(spec.num_drift_looks)]


def _mean_drifts(spec: FullScale, seed: int, rows: Sequence[Row]) -> list[Row]:
    if not spec.num_drift_looks or spec.network != "vgg":
        return []
    ends = {step + 1 for step in drift_looks(spec)}
    found = []
    for name in ("drift_raw", "drift_scaled"):
        inside = [row.value for row in rows if row.name == name and row.step in ends]
        found.append(Row(seed, spec.num_steps, f"activation_{name}", float(np.mean(inside)), "1"))
    return found
