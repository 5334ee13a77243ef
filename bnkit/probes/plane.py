"""What does the loss look like on a plane along which training moved?

Li et al. (2018), "Visualizing the Loss Landscape of Neural Nets", sections 4 and 7: a plane spanned
by two filter-normalized directions, and the path of training projected onto it. Directions drawn at
random are almost at right angles to any path, so the two are the first principal components of the
path, as in their section 7.2.

Theirs is one plane through the end of the path, on which no other point of the path lies. Here each
look has a plane of its own, parallel to that one and through the point of the look: the loss at
that point is the loss of the net, and only the rest of the path is a projection.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bnkit.probes.directions import filter_normalized
from bnkit.probes.guard import BnMode
from bnkit.probes.landscape import Landscape, Loss, landscape, mean_cross_entropy
from bnkit.rows import Row, StepEvent

Array = np.ndarray


@dataclass
class Path:
    """A probe that measures nothing and keeps a copy of the model at each of its looks.

    Attributes:
        events: one a look, in their order.
    """

    events: list[StepEvent] = field(default_factory=list)

    def __call__(self, event: StepEvent) -> list[Row]:
        """No rows."""
        self.events.append(event._replace(model=copy.deepcopy(event.model)))
        return []


class Plane(NamedTuple):
    """The path of one net on its plane, and the loss around some of its points.

    Coordinates are multiples of the two directions, 0 at the end of the path: each filter of a
    direction is as long as that filter's weights at the end, so that 1 is a step of their length.
    The path begins at coordinates of 0 or below.
    """

    steps: Array  # (T,) of the looks
    path: Array  # (T, 2)
    share: float  # of the path's squared distance from its end, how much lies in the plane

    events: Sequence[StepEvent]
    directions: Tensor  # (2, P)


def plane(events: Sequence[StepEvent], bn_mode: BnMode = "batch") -> Plane:
    """The plane of a path of a single net, and the path on it.

    Args:
        events: the looks of a `Path`, three or more.
        bn_mode: as in `measuring`.

    Raises:
        ValueError: too few looks, a stack of seeds, or a net that has not moved.
    """
    if len(events) < 3 or any(len(event.seeds) != 1 for event in events):
        raise ValueError(f"{len(events)} looks at seeds {events[0].seeds if events else ()}: "
                         "a plane needs three looks or more at a single net")  # fmt: skip
    points = torch.cat([_point(event, bn_mode) for event in events])  # (T, P)
    moves = points - points[-1]
    if not moves.any():
        raise ValueError("the net has not moved, so that its path spans no plane")
    components = torch.linalg.svd(moves, full_matrices=False).Vh[:2]  # (2, P)
    with landscape(events[-1], bn_mode, torch.float64) as at:
        directions = torch.cat([filter_normalized(at, one[None]) for one in components])
    coordinates = torch.linalg.lstsq(directions.T, moves.T).solution.T  # (T, 2)
    sign = torch.where(coordinates[0] > 0, -1.0, 1.0)  # of a component it is arbitrary
    directions, coordinates = sign[:, None] * directions, sign * coordinates
    inside = (coordinates @ directions).square().sum() / moves.square().sum()
    steps = np.array([event.step for event in events])
    return Plane(steps, coordinates.numpy(), float(inside), events, directions)


def _point(event: StepEvent, bn_mode: BnMode) -> Tensor:
    with landscape(event, bn_mode, torch.float64) as at:
        return at.point


def losses(
    found: Plane,
    look: int,
    first: Array,
    second: Array,
    *,
    examples: tuple[Tensor, Tensor],
    loss: Loss = mean_cross_entropy,
    bn_mode: BnMode = "batch",
    dtype: torch.dtype | None = None,
) -> Array:
    """The loss on a grid, (L, K), of the plane through the point of one look.

    Cost: L K forward passes.

    Args:
        found: the plane.
        look: which of its looks.
        first: (K,) coordinates along the first direction.
        second: (L,) along the second.
        examples: inputs and targets, as the net takes them.
        loss: (outputs, targets) -> (1,).
        bn_mode: "batch" has the statistics of the examples, the function that training descends.
        dtype: to compute in; None for the net's own.
    """
    inputs, targets = examples
    event = found.events[look]._replace(inputs=inputs, targets=targets)
    with landscape(event, bn_mode, dtype, loss) as at, torch.no_grad():
        along = found.directions.to(at.point)
        here = found.path[look]
        return np.array([[_loss(at, along, (x, y) - here) for x in first] for y in second])


def loss_at(found: Plane, look: int, *, examples: tuple[Tensor, Tensor], **how: Any) -> float:
    """The loss of the net itself at one look, with the arguments of `losses`."""
    x, y = found.path[look]
    return float(losses(found, look, np.array([x]), np.array([y]), examples=examples, **how).item())


def _loss(at: Landscape, along: Tensor, move: Array) -> float:
    return float(at.losses(at.point + torch.from_numpy(move).to(along) @ along))
