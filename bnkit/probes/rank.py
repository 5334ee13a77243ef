"""How many dimensions do the activations of a batch still span?"""

from dataclasses import dataclass

from torch import Tensor

from bnkit.probes.activations import unit_inputs
from bnkit.probes.guard import BnMode
from bnkit.probes.spectrum import effective_rank, singular_values
from bnkit.rows import Row, StepEvent


@dataclass(frozen=True, kw_only=True)
class EffectiveRank:
    """exp(entropy) of the squared singular values of the inputs of `layer`, units × samples.

    The collapse is that of Daneshmand et al. (2020), who bound the rank and a soft version of it;
    this soft version is another. The mean over samples is not subtracted: activations that all
    point one way count as one dimension. It does not say whether the classes can be told apart.
    Cost: one forward pass.

    Attributes:
        layer: name of a module.
        x: fixed examples (M, D) or (M, C, H, W); the batch of the coming step if absent.
    """

    layer: str
    x: Tensor | None = None
    bn_mode: BnMode = "batch"
    name: str = "effective_rank"

    def __call__(self, event: StepEvent) -> list[Row]:
        """One row: `name`, between 1 and the number of units."""
        x = event.inputs if self.x is None else self.x
        values = unit_inputs(event, self.layer, x, self.bn_mode)  # (K, C, N)
        return event.rows(self.name, effective_rank(singular_values(values)), "1")
