"""Are the singular values of each layer's Jacobian nearer to 1 with batch normalization?

Ioffe & Szegedy (2015), section 3.3, conjecture it, from a linear layer between two normalized and
uncorrelated Gaussian inputs: I = Cov[J x_hat] = J Jᵀ, so that all singular values of J are 1. Here
J goes from the inputs of one nonlinearity to those of the next, from BN to BN where there is one,
for single examples, in a linear net and in one with ReLUs, before training and after.

How near to 1 is the root mean square of ln s over the singular values s that are not 0, an
average over the pairs of neighboring layers. A condition number is the wrong measure: units that
are off make a ReLU's Jacobian singular with BN and without, and it does not see a common factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedStep
from bnkit.probes import JacobianSpectrum
from bnkit.rows import Row
from bnkit.train import Probe, Schedule, at, train


@dataclass(frozen=True, kw_only=True)
class LayerJacobians:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    activation: Literal["identity", "relu"]
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    looks: tuple[int, ...] = (0, 20, 100, 400)  # and the last step; none but that in tuning
    num_examples: int = 2  # of the batch of the coming step
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100, 100, 100)
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "lecun"
    batch_size: int = 60  # examples per step, also the set that BN averages over
    num_steps: int = 1_500

    version: ClassVar[int] = 3  # bump when run() starts to compute something else


_PLAIN = LayerJacobians(norm="none", activation="relu", rate=1.0)
_LINEAR = replace(_PLAIN, activation="identity")
ARMS = {
    "none-linear": Tuned(_LINEAR),
    "batch-linear": Tuned(replace(_LINEAR, norm="batch")),
    "none-relu": Tuned(_PLAIN),
    "batch-relu": Tuned(replace(_PLAIN, norm="batch")),
    "none-relu-he": Tuned(replace(_PLAIN, init="he")),
}
RATES = (0.01, 1.0)
STACK = 1  # a Jacobian's last digits depend on the size of the stack


def for_tuning(spec: LayerJacobians) -> LayerJacobians:
    """A Jacobian takes as many backward passes as it has rows: tuning does without."""
    return replace(spec, looks=(), num_examples=0)


def run(spec: LayerJacobians, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one net after the other.

    Returns:
        For the pair of layers l and l + 1 the curves of `JacobianSpectrum`, "jacobian-l_max" and so
        on; a curve "log_distance", the root mean square of ln s, averaged over the pairs; at the
        last step "log_distance_init" and "log_distance_trained"; "validation_accuracy" and
        "test_accuracy".
    """
    return [row for seed in seeds for row in _of_seed(spec, seed, progress)]


def _of_seed(spec: LayerJacobians, seed: int, progress: str | None) -> list[Row]:
    data = load(spec.data_set)
    model = net(spec, data, [seed])
    last = [spec.num_steps]
    rows = train(
        model,
        batches(data, spec.batch_size, [seed]),
        seeds=[seed],
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
        probes=[*jacobians(spec), *accuracies(data, {"test": last, "validation": last})],
        progress=progress,
    )
    return rows + distances(spec, seed, rows)


def pairs(spec: LayerJacobians) -> range:
    """Numbers of the layers that have a next one, from 1."""
    return range(1, len(spec.widths))


def jacobians(spec: LayerJacobians) -> list[tuple[Schedule, Probe]]:
    """One probe for each pair of neighboring layers, in the order of `pairs`."""
    due = at([*spec.looks, spec.num_steps] if spec.num_examples else ())
    return [
        (
            due,
            JacobianSpectrum(
                source=f"activations.{layer - 1}",
                target=f"activations.{layer}",
                num_examples=spec.num_examples,
                name=f"jacobian-{layer}",
            ),
        )
        for layer in pairs(spec)
    ]


def distances(spec: LayerJacobians, seed: int, rows: Sequence[Row]) -> list[Row]:
    """The curve "log_distance" of one seed, and its two ends at the last step."""
    if not spec.num_examples:
        return []
    value = {(row.step, row.name): row.value for row in rows}
    curve = []
    for step in [*spec.looks, spec.num_steps]:
        of_pairs = [value[step, f"jacobian-{layer}_log_rms"] for layer in pairs(spec)]
        mean = float(np.mean(of_pairs))
        farthest = np.inf if np.isnan(mean) else mean  # a diverged run counts as the worst
        curve.append(Row(seed, step, "log_distance", farthest, "1"))
    ends = {"log_distance_init": curve[0], "log_distance_trained": curve[-1]}
    return curve + [Row(seed, spec.num_steps, n, row.value, "1") for n, row in ends.items()]
