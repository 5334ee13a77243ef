"""How rough is the loss on the way that a step would take?"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from bnkit.probes.directions import Directions, gradient_itself
from bnkit.probes.guard import BnMode
from bnkit.probes.landscape import Landscape, Loss, landscape, mean_cross_entropy
from bnkit.rows import Row, StepEvent

# The paper looks from half the learning rate to four times that, up to 0.4.
LENGTHS = (0.05, 0.067, 0.091, 0.122, 0.164, 0.22, 0.297, 0.4)


class Walk(NamedTuple):
    """What is met at T points on a line; at each of them, K numbers."""

    losses: Tensor  # (T + 1, K), the first one at the start
    distance: Tensor  # (T, K) from the start
    gradients: Tensor | None = None  # (T + 1, K, P), where they were asked for

    def summary(self) -> dict[str, tuple[Tensor, str]]:
        """Each row's K values and unit, by the end of its name."""
        least, greatest = self.losses.amin(0), self.losses.amax(0)
        rows = {
            "loss_start": (self.losses[0], "nat"),
            "loss_min": (least, "nat"),
            "loss_max": (greatest, "nat"),
            "loss_range": (greatest - least, "nat"),
        }
        return rows if self.gradients is None else rows | self._of_gradients(self.gradients)

    def _of_gradients(self, gradients: Tensor) -> dict[str, tuple[Tensor, str]]:
        start, there = gradients[:1], gradients[1:]
        change = (there - start).norm(dim=2)  # (T, K)
        cosine = F.cosine_similarity(there, start, dim=2)
        slope = torch.where(self.distance == 0, 0.0, change / self.distance)
        return {
            "gradient_change_min": (change.amin(0), "nat"),
            "gradient_change_max": (change.amax(0), "nat"),
            "cosine_min": (cosine.amin(0), "1"),
            "beta": (slope.amax(0), "nat"),
        }


@dataclass(frozen=True, kw_only=True)
class Smoothness:
    """The three measures of Santurkar et al. (2018), Figure 4, from one walk along a line.

    (a) the range of the batch loss, (b) the change of the gradient ("predictiveness") as an L2
    distance and as a cosine, (c) the "effective" β-smoothness, the largest change of the gradient
    per distance. The points are θ - t d for the given t and the directions d.

    Two differences from the paper: the start belongs to the range of the loss, and the lengths t
    are fixed, not multiples of the learning rate, so that arms trained at different rates answer
    the same question. With the raw gradient as direction t is a rate and every measure grows with
    the gradient: take the other directions too before calling a loss smooth. It looks at one batch
    and one line, and says nothing about test loss. Cost: 1 + T forward and backward passes, with T
    lengths times directions; without the gradients on the way T forward passes and one of both.

    Attributes:
        lengths: t, the distances in the unit of the direction.
        directions: one of `bnkit.probes.directions`; rows are means over directions.
        gradients: measure (b) and (c) as well.
    """

    lengths: tuple[float, ...] = LENGTHS
    directions: Directions = gradient_itself
    gradients: bool = True
    loss: Loss = mean_cross_entropy
    bn_mode: BnMode = "batch"
    dtype: torch.dtype | None = torch.float64
    name: str = "downhill"

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows after `name`: those of `Walk.summary`, gradients in nat per unit of parameter."""
        with landscape(event, self.bn_mode, self.dtype, self.loss) as at:
            start = at.gradients(at.point)
            summaries = [
                self._walk(at, direction, *start).summary()
                for direction in self.directions(at, start[1])
            ]
        rows = []
        for name, (_, unit) in summaries[0].items():
            values = torch.stack([summary[name][0] for summary in summaries]).mean(0)
            rows += event.rows(f"{self.name}_{name}", values, unit)
        return rows

    def _walk(self, at: Landscape, direction: Tensor, losses: Tensor, gradient: Tensor) -> Walk:
        points = [at.point - length * direction for length in self.lengths]
        lengths = torch.tensor(self.lengths).to(direction).unsqueeze(1)
        distance = lengths.abs() * direction.norm(dim=1)
        if not self.gradients:
            with torch.no_grad():
                there = [at.losses(point) for point in points]
            return Walk(torch.stack([losses, *there]), distance)
        met = [(losses, gradient), *map(at.gradients, points)]
        there, gradients = (torch.stack(found) for found in zip(*met, strict=True))
        return Walk(there, distance, gradients)
