"""How much does the gradient of a layer change because the layers before it have moved?"""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from bnkit.probes.guard import BnMode
from bnkit.probes.landscape import Loss, landscape, mean_cross_entropy
from bnkit.probes.steps import Step, relative_steps, run_rate
from bnkit.rows import Row, StepEvent


@dataclass(frozen=True, kw_only=True)
class GradientICS:
    """Internal covariate shift as Santurkar et al. (2018), Definition 2.1: ‖G - G'‖.

    G is the gradient of the loss with respect to the weight of `layer`, G' the same on the same
    batch after every layer before it has taken its step. Only the weight counts, since γ, β or a
    bias are not there in every arm. The step is plain gradient descent, without momentum and weight
    decay.

    At the run's own rate it also measures how long the step is compared with the weights, and how
    large the gradient: hence the choice of `step`, the rows on G, and the cosine, which is blind to
    the length of both gradients. It says nothing about the distribution of activations. Cost: two
    forward and backward passes and a forward pass to find the layers.

    Attributes:
        layer: name of the module that has the weight, not the first one.
        step: which step the earlier layers take, one of `bnkit.probes.steps`.
    """

    layer: str
    step: Step = run_rate
    loss: Loss = mean_cross_entropy
    bn_mode: BnMode = "batch"
    dtype: torch.dtype | None = torch.float64
    name: str = "ics"

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows after `name`, the first in nat per unit of weight, the others pure numbers.

        "_l2" ‖G - G'‖, "_gradient" ‖G‖, "_relative" ‖G - G'‖ / ‖G‖, "_size_ratio" ‖G'‖ / ‖G‖,
        "_cosine" between them, and "_step_min" and "_step_max", the least and the greatest
        ‖ΔW‖ / ‖W‖ of an earlier layer.
        """
        with landscape(event, self.bn_mode, self.dtype, self.loss) as at:
            names = [layer.name for layer in at.layers]
            if self.layer not in names[1:]:
                raise ValueError(f"layer {self.layer!r}: choose from {', '.join(names[1:])}")
            earlier = at.layers[: names.index(self.layer)]
            weight = at.spans[at.layers[len(earlier)].parameters[0]]
            losses, gradient = at.gradients(at.point)
            moving = at.only(gradient, (name for layer in earlier for name in layer.parameters))
            step = self.step(at, losses, moving)
            _, gradient_after = at.gradients(at.point - step)
            taken = relative_steps(at, step, earlier)
        before, after = gradient[:, weight], gradient_after[:, weight]
        size, gap = before.norm(dim=1), (after - before).norm(dim=1)
        return [
            *event.rows(f"{self.name}_l2", gap, "nat"),
            *event.rows(f"{self.name}_gradient", size, "nat"),
            *event.rows(f"{self.name}_relative", gap / size, "1"),
            *event.rows(f"{self.name}_size_ratio", after.norm(dim=1) / size, "1"),
            *event.rows(f"{self.name}_cosine", F.cosine_similarity(before, after), "1"),
            *event.rows(f"{self.name}_step_min", taken.amin(0), "1"),
            *event.rows(f"{self.name}_step_max", taken.amax(0), "1"),
        ]
