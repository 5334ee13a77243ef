"""Do pre-activations drift less with batch normalization, whose fault is it, and does it hurt?

Ioffe & Szegedy (2015), section 2, call the change of activations' distributions due to the change
of parameters internal covariate shift. Here, on the net of their section 4.1 and a fixed set of
examples, the drift of every hidden layer's pre-activations is split: what the layer's own new
weights do on inputs from the old layers before it, and what the new layers before it do to the old
weights. The second part is the shift that the paper speaks of; the inputs of a layer drift if and
only if the layers before it move.

Whether that hurts is asked of nets in which those layers do not move. Layers that are frozen where
they began are poor features, and such a net may never arrive where the whole net does; in the fair
comparison they are copied from a trained net of the same seed, the last hidden layer and the head
begin anew, and the copied layers stay in one arm and learn along in the other.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedMLP, StackedStep
from bnkit.probes.activations import wasserstein
from bnkit.probes.guard import measuring
from bnkit.rows import Row, StepEvent
from bnkit.train import Probe, Schedule, every, growing, tenths, train

DONOR = 5_000_000  # added to a seed: the net that it copies from has weights and batches of its own


@dataclass(frozen=True, kw_only=True)
class DriftDecomposition:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    start: Literal["fresh", "copied"] = "fresh"  # the layers before the last hidden one
    frozen: bool = False  # these layers stay as they begin
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: str = "sigmoid"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "lecun"
    batch_size: int = 60  # examples per step, also the set that BN averages over
    num_steps: int = 4_000
    donor_rate: float = 1.0  # of the net that layers are copied from, which has the same steps
    num_probe_examples: int = 500  # of the validation split, where activations are looked at
    drift_interval: int = 250  # steps between two looks at the activations

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


PLAIN, BATCH = (DriftDecomposition(norm=norm, rate=1.0) for norm in ("none", "batch"))
ARMS = {
    name: Tuned(spec)
    for net in (PLAIN, BATCH)
    for name, spec in {
        net.norm: net,
        f"{net.norm}-frozen-earlier": replace(net, frozen=True),
        f"{net.norm}-copied": replace(net, start="copied"),
        f"{net.norm}-copied-frozen": replace(net, start="copied", frozen=True),
    }.items()
}
RATES = (0.3, 10.0)
STACK = 5  # seeds per process: more do not fit the processor's cache


def run(spec: DriftDecomposition, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        Curves of "test_accuracy", "validation_accuracy" (fraction) and their losses (nat), BN with
        running statistics; for hidden layer l the rows of `PreactivationDrift`; and at the last
        step their means over looks and layers, "preactivation_drift_raw" and so on. Means of the
        two parts are over the layers from the second on: before the first there is none.
    """
    data = load(spec.data_set)
    model = net(spec, data, seeds)
    if spec.start == "copied":
        copy_earlier(donor(spec, data, seeds), model)
    step = StackedStep(model)
    rows = train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=Frozen(model, step) if spec.frozen else step,
        probes=_probes(spec, data),
        progress=progress,
    )
    return rows + mean_drifts(rows, seeds, spec.num_steps)


def donor(spec: DriftDecomposition, data: Dataset, seeds: Sequence[int]) -> StackedMLP:
    """A trained net for each seed, of weights and batches that its copy will not have."""
    others = [DONOR + seed for seed in seeds]
    model = net(spec, data, others)
    train(
        model,
        batches(data, spec.batch_size, others),
        seeds=others,
        rate=spec.donor_rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
    )
    return model


def earlier(model: StackedMLP) -> list[nn.Module]:
    """The linear layers and normalizers before those of the last hidden layer."""
    return [*model.linears[:-2], *model.norms[:-1]]


@torch.no_grad()
def copy_earlier(source: StackedMLP, target: StackedMLP) -> None:
    """Parameters and running statistics of the layers before the last hidden one."""
    for mine, other in zip(earlier(target), earlier(source), strict=True):
        mine.load_state_dict(other.state_dict())


class Frozen:
    """A step after which the layers before the last hidden one are as they were.

    Their running statistics go on: evaluation needs them.
    """

    def __init__(self, model: StackedMLP, step: StackedStep) -> None:
        self._step = step
        self._kept = [(p, p.detach().clone()) for m in earlier(model) for p in m.parameters()]

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """(K,) losses before the step."""
        losses = self._step(inputs, targets, rate)
        with torch.no_grad():
            for parameter, values in self._kept:
                parameter.copy_(values)
        return losses


class _Layer:
    """A hidden layer up to its nonlinearity as it stands, and what goes in and comes out."""

    def __init__(self, linear: nn.Module, norm: nn.Module, inputs: Tensor) -> None:
        self._linear, self._norm = copy.deepcopy(linear), copy.deepcopy(norm)
        self.inputs, self.outputs = inputs, self(inputs)

    def __call__(self, inputs: Tensor) -> Tensor:
        """(K, in, N) to (K, C, N)."""
        outputs: Tensor = self._norm(self._linear(inputs))
        return outputs


@dataclass
class PreactivationDrift:
    """How far each layer's pre-activations have moved since the last look, and what moved them.

    Wasserstein-1 of each unit between two looks at the fixed examples `x`, as the median over
    units: raw, in units of the activation, and divided by the pooled standard deviation of the
    two looks. The whole drift, the part of the layer's own parameters (new ones, on inputs that the
    old layers before it make) and the part of the layers before it (old own parameters, on new
    inputs). Parts need not add up: a distance is no sum. γ and β are the layer's own. BN has the
    statistics of the examples, so that every mixture of old and new is a net of its own; running
    statistics belong to no mixture.

    Cost: one forward pass and two more of each layer. The first call only remembers.
    """

    x: Tensor  # (N, D)
    _previous: list[_Layer] | None = field(default=None, repr=False)

    def __call__(self, event: StepEvent) -> list[Row]:
        """For hidden layer l "layer-l_raw", "layer-l_scaled", and "_own" and "_earlier" of both."""
        model = event.model
        assert isinstance(model, StackedMLP)
        with measuring(model, "batch"), torch.no_grad():
            now = self._layers(model)
            before, self._previous = self._previous, now
            if before is None:
                return []
            rows = []
            for index, (old, new) in enumerate(zip(before, now, strict=True), start=1):
                moved = {"": new.outputs, "_own": new(old.inputs), "_earlier": old(new.inputs)}
                variance = (old.outputs.var(2, correction=0) + new.outputs.var(2, correction=0)) / 2
                for part, values in moved.items():
                    raw = wasserstein(old.outputs.double().numpy(), values.double().numpy())
                    with np.errstate(invalid="ignore", divide="ignore"):  # a diverged seed
                        scaled = raw / variance.double().sqrt().numpy()
                    for unit, drift in (("raw", raw), ("scaled", scaled)):
                        name = f"layer-{index}_{unit}{part}"
                        rows += event.rows(name, np.median(drift, axis=1), "1")
        return rows

    def _layers(self, model: StackedMLP) -> list[_Layer]:
        layers = []
        h = self.x.T.expand(len(model.seeds), *self.x.T.shape)  # (K, D, N)
        for linear, norm, activation in zip(
            model.linears[:-1], model.norms, model.activations, strict=True
        ):
            layers.append(_Layer(linear, norm, h))
            h = activation(layers[-1].outputs)
        return layers


def _probes(spec: DriftDecomposition, data: Dataset) -> list[tuple[Schedule, Probe]]:
    looks = growing(0, spec.num_steps, interval=20, growth=1.1)
    fixed = torch.tensor(data.validation.flat[: spec.num_probe_examples])
    return [
        *accuracies(data, {"test": looks, "validation": tenths(spec.num_steps)}),
        (every(spec.drift_interval), PreactivationDrift(fixed)),
    ]


def mean_drifts(rows: Sequence[Row], seeds: Sequence[int], num_steps: int) -> list[Row]:
    """At the last step, for each seed, the means over looks and layers."""
    summary = []
    for ending in ("raw", "scaled", "raw_own", "scaled_own", "raw_earlier", "scaled_earlier"):
        is_part = "_" in ending
        found = [r for r in rows if r.name.startswith("layer-") and r.name.endswith(f"_{ending}")]
        counted = [row for row in found if not (is_part and row.name.startswith("layer-1_"))]
        for seed in seeds:
            mean = float(np.mean([row.value for row in counted if row.seed == seed]))
            summary.append(Row(seed, num_steps, f"preactivation_drift_{ending}", mean, "1"))
    return summary
