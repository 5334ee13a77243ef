"""Is the loss of a network smoother with batch normalization, and where does one see it?

Santurkar et al. (2018), figures 1 and 4: a convolutional net on CIFAR-10, here of the size that a
CPU can train many times. At some steps of its training the loss of the coming batch is followed
along its gradient, over lengths that are the same in both arms and, beside them, over multiples of
each arm's own rate; the gradient is followed too. As a raw step is shorter where
gradients are smaller, the loss is also followed over equal distances, and over steps in proportion
to each filter's weights. A fully connected net on MNIST, which is cheaper, has further
measurements: with running statistics, and along the gradient by the activations of a layer.

Also recorded are the moments of figure 1(c): how far a step moves the mean and the variance of each
unit, as the nonlinearity sees it and in front of the normalizer.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from bnkit.data import Dataset, load
from bnkit.data.splits import SPLIT_SEED, stratified_subset
from bnkit.experiments import Tuned, deep_linear_landscape, full_scale_mlp
from bnkit.experiments.deep_linear_landscape import (
    JUDGED,
    Ends,
    both_spacings,
    over_looks,
    walks,
)
from bnkit.models import VGG, GraphedStep, StackedMLP, StackedStep
from bnkit.models.plain_cnn import PlainCNN
from bnkit.models.vgg import STAGES
from bnkit.probes import (
    ActivationDrift,
    ActivationSmoothness,
    Evaluation,
    MomentDrift,
    Sharpness,
    Smoothness,
    StepDrift,
)
from bnkit.probes.directions import RandomDirections
from bnkit.rows import Row
from bnkit.train import (
    Batch,
    Probe,
    Schedule,
    TakeStep,
    at,
    cross_entropy,
    growing,
    stacked_batches,
    train,
)

Looks = list[tuple[Schedule, Probe]]
Model = PlainCNN | StackedMLP


@dataclass(frozen=True, kw_only=True)
class LossLandscape:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    network: Literal["cnn", "mlp", "vgg"]
    norm: str
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str
    num_train: int  # examples, the same ones for all seeds
    num_steps: int
    num_looks: int  # evenly spaced, and as many on a logarithmic scale
    curve_interval: int  # steps between two looks at the test accuracy, which grow later on
    widths: tuple[int, ...]  # of the hidden layers, or of the convolutions
    device: str = "cpu"
    batch_size: int = 128  # also the set that the loss is followed on
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "he"
    lengths: Ends = (0.05, 0.4)  # along the gradient, as a learning rate; the paper's for a VGG
    # A gradient that has turned by the first length changes by its own size: 1 / 0.05 is then all
    # that the ratio of change to distance can be. Shorter lengths see more of the curvature.
    short_lengths: Ends = (0.001, 0.01)
    own_lengths: Ends = (0.5, 4.0)  # times the arm's own rate
    distances: Ends = (0.05, 0.4)  # along the gradient of length 1
    relative: Ends = (0.005, 0.04)  # of each filter's weights
    num_directions: int = 20
    random_lengths: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)  # of each filter's weights
    num_moments: int = 10  # looks at the moments of the units, evenly spaced
    num_probe_examples: int = 256  # of the validation split, where moments are taken
    accuracy: float = 0.01  # of an eigenvalue of the Hessian
    measured: bool = True  # or the accuracies at the end alone, which choose the rate

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE = LossLandscape(
    network="cnn",
    norm="none",
    rate=0.1,
    data_set="cifar10-jpeg75",
    num_train=5_000,
    num_steps=1_500,
    num_looks=4,
    curve_interval=50,
    widths=(16, 16, 32, 32, 64, 64),
)
BATCH = replace(NONE, norm="batch")
NONE_MLP = LossLandscape(
    network="mlp",
    norm="none",
    rate=0.1,
    data_set="mnist",
    num_train=55_000,
    num_steps=5_000,
    num_looks=10,
    curve_interval=100,
    widths=(100, 100, 100),
)
BATCH_MLP = replace(NONE_MLP, norm="batch")
# The paper's scale: a VGG, all of CIFAR-10, 15,000 steps. On a GPU.
NONE_VGG = replace(
    NONE,
    network="vgg",
    device="cuda",
    num_train=45_000,
    num_steps=15_000,
    num_looks=10,
    curve_interval=250,
    widths=tuple(width for stage in STAGES[11] for width in stage),
    init="glorot",
    num_probe_examples=1_000,
)
BATCH_VGG = replace(NONE_VGG, norm="batch")
CNN_ARMS = {norm: Tuned(replace(NONE, norm=norm)) for norm in ("none", "batch", "l1", "linf")}
ARMS = {
    **CNN_ARMS,
    "batch@none": Tuned(BATCH, like=NONE),  # at the rate chosen for the plain net
    "none-mlp": Tuned(NONE_MLP),
    "batch-mlp": Tuned(BATCH_MLP),
    "none-mlp@0.1": NONE_MLP,
    "batch-mlp@0.1": BATCH_MLP,
    "none-vgg": Tuned(NONE_VGG),
    "batch-vgg": Tuned(BATCH_VGG),
    "none-vgg@0.1": NONE_VGG,
    "batch-vgg@0.1": BATCH_VGG,
    **{f"{arm}-mlp-full": full_scale_mlp.ARMS[arm] for arm in ("none", "batch")},
    "none-deep-linear": deep_linear_landscape.NONE,
    "batch-deep-linear": deep_linear_landscape.BATCH,
}
RATES = (0.03, 0.3)
STACK = 1  # a seed of the convolutional net takes minutes


def for_tuning(spec: LossLandscape) -> LossLandscape:
    """The same training, of which only the accuracies at the end are seen."""
    return replace(spec, measured=False, curve_interval=spec.num_steps)


DRIFTS = ("mean_drift", "variance_drift", "mean_drift_scaled", "variance_drift_scaled")
# Curve -> what its mean over looks is called.
ALL_JUDGED = JUDGED | {
    "short_gradient_change_max": "gradient_change_short",
    "short_cosine_min": "gradient_cosine_short",
    "short_beta": "effective_smoothness_short",
    "random_loss_range": "loss_range_random",
    "running_raw_loss_range": "loss_range_raw_running",
    "running_by_weights_loss_range": "loss_range_by_weights_running",
    "running_raw_gradient_change_max": "gradient_change_running",
    "running_raw_beta": "effective_smoothness_running",
    "activation_loss_range": "loss_range_activation",
    "activation_gradient_change_max": "gradient_change_activation",
    "activation_cosine_min": "gradient_cosine_activation",
    "activation_beta": "effective_smoothness_activation",
    "activation_relative_loss_range": "loss_range_activation_relative",
    "activation_relative_cosine_min": "gradient_cosine_activation_relative",
    **{f"step_{drift}": drift for drift in DRIFTS},
    **{f"before_step_{drift}": f"{drift}_before" for drift in DRIFTS},
    **{f"look_{name}_drift": f"{name}_drift" for name in ("skewness", "kurtosis", "correlation")},
    "drift_raw": "activation_drift_raw",
    "drift_scaled": "activation_drift_scaled",
}


def run(spec: LossLandscape, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, one after the other.

    Returns:
        Curves of "test_accuracy", "test_loss", "validation_accuracy", "validation_loss", of
        `Smoothness`, `Sharpness`, `StepDrift`, `MomentDrift` and `ActivationDrift`; at the last
        step "train_accuracy" and "train_loss", and what `over_looks` makes of the curves, named in
        `ALL_JUDGED`.
    """
    rows = []
    with _float32_convolutions():
        for seed in seeds:
            seen = _trained(spec, seed, progress)
            rows += seen + over_looks(seen, seed, spec.num_steps, ALL_JUDGED)
    return rows


@contextmanager
def _float32_convolutions() -> Iterator[None]:
    """Inside, a GPU rounds no input of a convolution to TF32, which it does by default.

    TF32 has 10 bits: its errors would be as large as what a gradient changes by over a short step.
    """
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _trained(spec: LossLandscape, seed: int, progress: str | None) -> list[Row]:
    data = load(spec.data_set)
    model = net(spec, seed, data)
    return train(
        model,
        batches(spec, seed, data),
        seeds=[seed],
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=_step(spec, model),
        probes=[*curves(spec, data), *(looks(spec, data) if spec.measured else [])],
        progress=progress,
    )


def _step(spec: LossLandscape, model: Model) -> TakeStep | None:
    """The fast way to take a step of this network here."""
    if isinstance(model, StackedMLP):
        return StackedStep(model)
    return None if spec.device == "cpu" else GraphedStep(model, cross_entropy)


def net(spec: LossLandscape, seed: int, data: Dataset) -> Model:
    """A fresh network for this seed, on its device."""
    if spec.network == "mlp":
        num_inputs = int(np.prod(data.image_shape))
        sizes = (num_inputs, *spec.widths, data.num_classes)
        return StackedMLP(sizes, [seed], norm=spec.norm, activation="relu", init=spec.init)
    if spec.network == "vgg":
        vgg = VGG(data.image_shape, data.num_classes, seed, norm=spec.norm, init=spec.init)
        return _channels_last(vgg.to(spec.device))
    pairs = zip(spec.widths[::2], spec.widths[1::2], strict=True)  # two before each pooling
    model = PlainCNN(
        data.image_shape,
        data.num_classes,
        seed,
        stages=tuple(pairs),
        norm=spec.norm,
        init=spec.init,
    )
    return _channels_last(model)


def _channels_last(model: PlainCNN) -> PlainCNN:
    """The same net, its memory in the order that is twice as fast on a CPU."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def batches(spec: LossLandscape, seed: int, data: Dataset) -> Iterator[Batch]:
    """Those of this seed, from the examples that all seeds share, as the network takes them."""
    chosen = subset(spec, data)
    stacked = stacked_batches(
        inputs(spec, data.train.x[chosen]),
        torch.tensor(data.train.y[chosen], device=spec.device),
        batch_size=spec.batch_size,
        seeds=[seed],
    )
    return stacked if spec.network == "mlp" else unstacked(stacked)


def inputs(spec: LossLandscape, images: np.ndarray) -> Tensor:
    """(N, C, H, W) images as the network takes them."""
    if spec.network == "mlp":
        return torch.tensor(images.reshape(len(images), -1))
    return torch.tensor(images, device=spec.device).contiguous(memory_format=torch.channels_last)


def unstacked(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The batches of one seed, (1, N, ...), for a network that knows of no stack."""
    for x, y in batches:
        yield x[0].contiguous(memory_format=torch.channels_last), y[0]


def curves(spec: LossLandscape, data: Dataset) -> Looks:
    """Accuracies; that of validation at the end chooses the rate."""

    def evaluation(name: str, images: np.ndarray, labels: np.ndarray) -> Evaluation:
        x, y = inputs(spec, images), torch.tensor(labels, device=spec.device)
        return Evaluation(name, x, y, data.num_classes, chunk=250)

    due = growing(0, spec.num_steps, interval=spec.curve_interval, growth=1.1)
    chosen = subset(spec, data)
    return [
        (at(due), evaluation("test", data.test.x, data.test.y)),
        (at([0, spec.num_steps]), evaluation("validation", data.validation.x, data.validation.y)),
        (at([spec.num_steps]), evaluation("train", data.train.x[chosen], data.train.y[chosen])),
    ]


def subset(spec: LossLandscape, data: Dataset) -> np.ndarray:
    """Which training examples are used."""
    return stratified_subset(data.train.y, spec.num_train, SPLIT_SEED)


def looks(spec: LossLandscape, data: Dataset) -> Looks:
    """What is measured of the loss and of the units, and when."""
    own = (spec.own_lengths[0] * spec.rate, spec.own_lengths[1] * spec.rate)
    ends = {
        "raw": spec.lengths,
        "short": spec.short_lengths,
        "own_rate": own,
        "by_gradient": spec.distances,
        "by_weights": spec.relative,
    }
    last = spec.num_steps
    often = at(both_spacings(last, spec.num_looks))
    seldom = at([last // 10, last // 2, last])
    return [
        *((often, walk) for walk in walks(ends, dtype=None)),
        (seldom, random_walks(spec)),
        (seldom, Sharpness(tolerance=spec.accuracy, dtype=None)),
        *units(spec, data),
        *(more_looks(spec, often) if spec.network == "mlp" else []),
    ]


def random_walks(spec: LossLandscape) -> Smoothness:
    """The loss alone, in directions that nothing has chosen."""
    return Smoothness(
        name="random",
        lengths=spec.random_lengths,
        directions=RandomDirections(spec.num_directions),
        gradients=False,
        dtype=None,
    )


def units(spec: LossLandscape, data: Dataset) -> Looks:
    """The moments of the units: of two by step, of higher ones from look to look."""
    x = inputs(spec, data.validation.x[: spec.num_probe_examples])
    num_layers = len(spec.widths)
    starts = [spec.num_steps * k // spec.num_moments for k in range(spec.num_moments)]
    steps = at({*starts, *(start + 1 for start in starts)})
    seen, before = ([f"{kind}.{i}" for i in range(num_layers)] for kind in ("activations", "norms"))
    return [
        (steps, StepDrift(seen, x)),
        (steps, StepDrift(before, x, name="before_")),
        (at([*starts, spec.num_steps]), MomentDrift(seen[-1], x, name="look_")),
        (at([*starts, spec.num_steps]), ActivationDrift(seen[-1], x)),
    ]


def more_looks(spec: LossLandscape, due: Schedule) -> Looks:
    """With running statistics, and along the gradient by the second hidden layer's activations."""
    ends = {"raw": spec.lengths, "by_weights": spec.relative}
    alone = ActivationSmoothness(layer="norms.1", dtype=None)
    relative = replace(alone, relative=True, name="activation_relative")
    measured: list[Probe] = [alone, relative]
    measured += walks(ends, prefix="running_", bn_mode="running", dtype=None)
    return [(due, probe) for probe in measured]
