"""Which of the changes that came with batch normalization made the net so much faster?

Ioffe & Szegedy (2015), section 4.2.1 and figure 3: a net with BN, five times the rate and six more
changes reaches the plain net's accuracy in a fourteenth of the steps. Five of the seven apply here:
the rate, dropout (removed), L2 (a fifth), the decay of the rate (six times as fast) and shuffling
(anew each epoch, in place of the same batches again and again). Local response normalization and
photometric distortions are not in this net.

All run at multiples of the rate that was tuned for the plain net. With BN there is a half fraction
of the 2^5 combinations, those in which an odd number of the five is changed: each change alone, all
five, and every three. In it no main effect is confounded with an interaction of two.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar, Literal

from torch import Tensor

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedMLP, StackedStep
from bnkit.rows import Row
from bnkit.train import Probe, Schedule, growing, tenths, train


@dataclass(frozen=True, kw_only=True)
class FasterRecipe:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    rate_factor: float = 1.0  # times `rate`
    dropout: float = 0.4  # behind the last hidden layer, as in Inception
    l2: float = 5e-4  # decay of the weights per unit of rate, after each step
    halvings: float = 1.0  # of the rate over the whole run
    reshuffle: bool = False  # a new order each epoch
    # Nuisance: tuned for the plain net; all arms have a multiple of it.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: str = "sigmoid"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "lecun"
    batch_size: int = 60  # examples per step, also the set that BN averages over
    num_steps: int = 1_500

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


PLAIN = FasterRecipe(norm="none", rate=1.0)
BATCH = replace(PLAIN, norm="batch")
CHANGES: dict[str, dict[str, Any]] = {  # name in an arm -> what is changed
    "x5": {"rate_factor": 5.0},
    "dropout": {"dropout": 0.0},
    "l2": {"l2": 1e-4},
    "decay": {"halvings": 6.0},
    "shuffle": {"reshuffle": True},
}


def changed(*names: str) -> FasterRecipe:
    """The net with BN and these changes."""
    return replace(BATCH, **{field: v for name in names for field, v in CHANGES[name].items()})


def made(spec: FasterRecipe) -> frozenset[str]:
    """The changes that this arm has made, by their names in `CHANGES`.

    >>> sorted(made(ARMS["batch-x5"].spec))
    ['x5']
    """
    return frozenset(
        name
        for name, fields in CHANGES.items()
        if all(getattr(spec, field) == value for field, value in fields.items())
    )


def half_fraction() -> dict[str, FasterRecipe]:
    """The 16 combinations of an odd number of changes; all five are called "x5-recipe"."""
    found = {}
    for chosen in product((False, True), repeat=len(CHANGES)):
        names = [name for name, is_chosen in zip(CHANGES, chosen, strict=True) if is_chosen]
        if len(names) % 2:
            title = "x5-recipe" if len(names) == len(CHANGES) else "-".join(names)
            found[f"batch-{title}"] = changed(*names)
    return found


ARMS = {
    "none": Tuned(PLAIN),
    "batch": Tuned(BATCH, like=PLAIN),
    **{name: Tuned(spec, like=PLAIN) for name, spec in half_fraction().items()},
}
RATES = (0.1, 10.0)
STACK = 10


def run(spec: FasterRecipe, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        Curves of "test_accuracy" and "validation_accuracy" (fraction) and their losses (nat), BN
        with running statistics.
    """
    data = load(spec.data_set)
    model = net(spec, data, seeds, dropout=[0.0] * (len(spec.widths) - 1) + [spec.dropout])
    return train(
        model,
        batches(data, spec.batch_size, seeds, reshuffle=spec.reshuffle),
        seeds=seeds,
        rate=spec.rate * spec.rate_factor,
        rate_at=lambda step: 2.0 ** (-spec.halvings * step / spec.num_steps),
        num_steps=spec.num_steps,
        step=DecayingStep(model, spec.l2),
        probes=_evaluations(spec, data),
        progress=progress,
    )


class DecayingStep:
    """A step of descent, after which every weight of a linear layer is (1 - rate λ) times itself.

    Args:
        model: as for `StackedStep`.
        l2: λ. Biases, γ and β do not decay.
    """

    def __init__(self, model: StackedMLP, l2: float) -> None:
        self._step, self._l2 = StackedStep(model), l2
        self._weights = [linear.get_parameter("weight").detach() for linear in model.linears]

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """(K,) losses before the step, without the decay's part."""
        losses = self._step(inputs, targets, rate)
        for weight in self._weights:
            weight *= 1.0 - rate * self._l2
        return losses


def _evaluations(spec: FasterRecipe, data: Dataset) -> list[tuple[Schedule, Probe]]:
    looks = growing(0, spec.num_steps, interval=5, growth=1.08)
    return accuracies(data, {"test": looks, "validation": tenths(spec.num_steps)})
