"""Does a convolutional net with noise behind each BN still train on images, at the paper's dose?

The experiment `noisy_batch_norm` on the convolutional net of `landscape`, which is nearer to the
VGG of Santurkar et al. (2018), section 2.1 and figure 2: noise behind each BN, and the same noise
in the plain net, where it is absolute, as theirs is. The two nets without noise are those of
`landscape`. All arms see the same 5,000 images, each at its own tuned rate.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import nn

from bnkit.data import load
from bnkit.experiments import Tuned, landscape
from bnkit.experiments.deep_linear_landscape import over_looks
from bnkit.experiments.landscape import DRIFTS, LossLandscape
from bnkit.models.channel_noise import ChannelNoise
from bnkit.models.plain_cnn import PlainCNN
from bnkit.rows import Row
from bnkit.train import train


@dataclass(frozen=True, kw_only=True)
class NoisyCNN:
    """One arm with noise."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    dose: float = 0.5  # of `ChannelNoise`; 0.5 is the paper's
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "cifar10-jpeg75"
    num_train: int = 5_000  # examples, the same ones for all seeds
    num_steps: int = 1_500
    curve_interval: int = 50  # steps between two looks at the test accuracy, which grow later on
    widths: tuple[int, ...] = (16, 16, 32, 32, 64, 64)  # of the convolutions
    batch_size: int = 128
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "he"
    num_moments: int = 10  # looks at how far one step moves the units, evenly spaced
    num_probe_examples: int = 256  # of the validation split, where moments are taken

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {
    "none": landscape.CNN_ARMS["none"],
    "batch": landscape.CNN_ARMS["batch"],
    "noisy-0.5": Tuned(NoisyCNN(norm="batch", rate=0.1)),
    "none-noisy-0.5": Tuned(NoisyCNN(norm="none", rate=0.1)),
}
RATES = (0.03, 0.3)
STACK = 1
JUDGED = {f"step_{drift}": drift for drift in DRIFTS}  # curve -> what its mean is called


def for_tuning(spec: NoisyCNN) -> NoisyCNN:
    """The same training, of which only the accuracies at the end are seen."""
    return replace(spec, num_moments=0, curve_interval=spec.num_steps)


def run(spec: NoisyCNN, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, one after the other.

    Returns:
        Curves of "test_accuracy" and "test_loss", at the end also of "train_" and "validation_",
        with running statistics and the noise at its mean; the rows of `StepDrift`, `MomentDrift`
        and `ActivationDrift`, noise included; at the last step the means over looks of how far one
        step moves the units, "mean_drift", "variance_drift" and these "_scaled".
    """
    rows = []
    for seed in seeds:
        seen = _trained(spec, seed, progress)
        rows += seen + over_looks(seen, seed, spec.num_steps, JUDGED)
    return rows


def _trained(spec: NoisyCNN, seed: int, progress: str | None) -> list[Row]:
    data, quiet = load(spec.data_set), without_noise(spec)
    model = landscape.net(quiet, seed, data)
    assert isinstance(model, PlainCNN)
    model.norms = nn.ModuleList(
        nn.Sequential(norm, ChannelNoise(spec.dose)) for norm in model.norms
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of the noise
        return train(
            model,
            landscape.batches(quiet, seed, data),
            seeds=[seed],
            rate=spec.rate,
            num_steps=spec.num_steps,
            probes=[*landscape.curves(quiet, data), *landscape.units(quiet, data)],
            progress=progress,
        )


def without_noise(spec: NoisyCNN) -> LossLandscape:
    """The same net and the same training without noise, an arm of `landscape`."""
    fields = asdict(spec)
    del fields["dose"]
    return replace(landscape.NONE, **fields)
