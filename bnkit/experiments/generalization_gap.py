"""Does batch normalization regularize, so that dropout can go?

Ioffe & Szegedy (2015), sections 3.4, 4.2.1 and 4.2.3: each example is normalized in random company,
which acts like noise; dropout was removed, or weakened. A net that learns faster also fits its
training set sooner, so gaps are compared at one training loss: at the first look at which a net's
loss on the whole training set, as it is in evaluation, is at most the level that all arms reach,
how much higher is its accuracy there than on the test set?

Beside BN and nothing there is dropout behind every hidden layer, at three rates, with BN and
without, each arm at its own tuned rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedStep
from bnkit.rows import Row
from bnkit.train import Probe, Schedule, growing, train


@dataclass(frozen=True, kw_only=True)
class GeneralizationGap:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    dropout: float = 0.0  # behind each hidden layer
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    level: float = 0.1  # nat, of the training loss at which gaps are compared
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: str = "relu"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "he"
    batch_size: int = 60  # examples per step, also the set that BN averages over
    num_steps: int = 1_500
    measured: bool = True  # curves; tuning needs none

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


PLAIN, BATCH = (GeneralizationGap(norm=norm, rate=1.0) for norm in ("none", "batch"))
DROPOUTS = (0.1, 0.2, 0.4)
ARMS = {
    "none": Tuned(PLAIN),
    "batch": Tuned(BATCH),
    **{f"dropout-{p:g}": Tuned(replace(PLAIN, dropout=p)) for p in DROPOUTS},
    **{f"both-{p:g}": Tuned(replace(BATCH, dropout=p)) for p in DROPOUTS},
}
RATES = (0.03, 1.0)
STACK = 5


def for_tuning(spec: GeneralizationGap) -> GeneralizationGap:
    """Without curves."""
    return replace(spec, measured=False)


def run(spec: GeneralizationGap, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        Curves of "train_accuracy", "test_accuracy" (fraction) and their losses (nat), BN with
        running statistics and without dropout; at the last step "validation_accuracy", and of the
        first look at the level "accuracy_gap_at_matched_loss", "test_accuracy_at_matched_loss"
        and "step_at_matched_loss"; "level_not_reached" is 1 if there is none, and the last look is
        then taken. "final_accuracy_gap" is that at the last step.
    """
    data = load(spec.data_set)
    model = net(spec, data, seeds, dropout=[spec.dropout] * len(spec.widths))
    rows = train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
        probes=_evaluations(spec, data),
        progress=progress,
    )
    return rows + [row for seed in seeds for row in summary(spec, seed, rows)]


def looks(spec: GeneralizationGap) -> list[int]:
    """Steps of the curves, from 10 apart to a fifteenth of what has passed."""
    return growing(0, spec.num_steps, interval=10, growth=1.07)


def _evaluations(spec: GeneralizationGap, data: Dataset) -> list[tuple[Schedule, Probe]]:
    due = looks(spec) if spec.measured else ()
    return accuracies(data, {"train": due, "test": due, "validation": [spec.num_steps]})


def summary(spec: GeneralizationGap, seed: int, rows: Sequence[Row]) -> list[Row]:
    """The judged rows of one seed, at the last step."""
    if not spec.measured:
        return []
    value = {(row.name, row.step): row.value for row in rows if row.seed == seed}
    steps = [step for name, step in value if name == "train_loss"]
    there = [step for step in steps if value["train_loss", step] <= spec.level]
    first = min(there, default=steps[-1])

    def gap(step: int) -> float:
        return value["train_accuracy", step] - value["test_accuracy", step]

    found = {
        "accuracy_gap_at_matched_loss": (gap(first), "fraction"),
        "test_accuracy_at_matched_loss": (value["test_accuracy", first], "fraction"),
        "step_at_matched_loss": (float(first), "step"),
        "level_not_reached": (float(not there), "1"),
        "final_accuracy_gap": (gap(steps[-1]), "fraction"),
    }
    return [Row(seed, spec.num_steps, name, v, unit) for name, (v, unit) in found.items()]
