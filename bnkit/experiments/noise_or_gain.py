"""Is it the noise that moves the training loss of noisy nets, or what it multiplies by on average?

The noise of Santurkar et al. (2018) scales a unit by a number between 1 and more than 1, so on
average it makes activations larger, and with them gradients. In `shift_population` nets with noise
ended with a lower training loss than without. Here are the two parts alone at one dose and one
rate: the gain without noise, and the noise divided by its gain. The arms were added after the
record of `shift_population` had been seen, to find out what its correlation means.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from bnkit.experiments.shift_population import ShiftPopulation, trained
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class NoiseOrGain:
    """One arm of the comparison: the net of `ShiftPopulation`."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    part: Literal["nothing", "all", "gain", "centered"]
    # Fixed: the verdict holds for these values only, and the chapter says so.
    dose: float = 0.4
    rate: float = 0.01
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    batch_size: int = 60
    num_steps: int = 1_000
    num_probe_examples: int = 500
    look_interval: int = 100

    version: ClassVar[int] = 1  # bump when run() starts to compute something else

    @property
    def net(self) -> ShiftPopulation:
        """The same net as an arm of the population."""
        return ShiftPopulation(
            norm=self.norm,
            dose=0.0 if self.part == "nothing" else self.dose,
            rate=self.rate,
            data_set=self.data_set,
            widths=self.widths,
            batch_size=self.batch_size,
            num_steps=self.num_steps,
            num_probe_examples=self.num_probe_examples,
            look_interval=self.look_interval,
        )


NORMS: tuple[Literal["none", "batch"], ...] = ("none", "batch")
PARTS: tuple[Literal["nothing", "all", "gain", "centered"], ...] = (
    "nothing",
    "all",
    "gain",
    "centered",
)
ARMS = {f"{norm}-{part}": NoiseOrGain(norm=norm, part=part) for norm in NORMS for part in PARTS}
STACK = 10


def run(spec: NoiseOrGain, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack; rows as those of `shift_population`."""
    part = "all" if spec.part == "nothing" else spec.part
    return trained(spec.net, seeds, part, progress)
