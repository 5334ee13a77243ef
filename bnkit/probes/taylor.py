"""How much of a joint step over all layers does the gradient not foresee?"""

from dataclasses import dataclass

import torch

from bnkit.probes.guard import BnMode
from bnkit.probes.landscape import Loss, landscape, mean_cross_entropy
from bnkit.probes.steps import PredictedDecrease, Step
from bnkit.rows import Row, StepEvent


@dataclass(frozen=True, kw_only=True)
class TaylorRemainder:
    """The loss after a step on all layers at once, against its first-order prediction.

    With d = εg the prediction is a decrease by g·d = ε‖g‖². The remainder is
    |L(θ - d) - L + g·d| / g·d, and the cross-layer share of it
    [ΔL(all layers) - Σ ΔL(one layer alone)] / g·d, which has a sign and is 0 if layers do not
    interact. Goodfellow et al. (2016), section 8.7.1, argue with such terms; these definitions are
    ours. A layer is a linear map with the normalizer that follows it.

    ε is matched between arms by `step`, else the arm with the larger gradient loses. A remainder
    says that the step is not the one foreseen, not that the loss goes up. Cost: one backward pass
    and 3 + (number of layers) forward passes, in float64, since the remainder is a difference of
    nearly equal numbers.

    Attributes:
        step: one of `bnkit.probes.steps`.
    """

    step: Step = PredictedDecrease(0.1)  # noqa: RUF009  (frozen)
    loss: Loss = mean_cross_entropy
    bn_mode: BnMode = "batch"
    dtype: torch.dtype | None = torch.float64
    name: str = "taylor"

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows after `name`: "_remainder", "_cross_share", and what was matched.

        That is "_predicted" g·d / L, "_relative_step" ‖d‖ / ‖θ‖ and "_change" ΔL in nat.
        """
        with landscape(event, self.bn_mode, self.dtype, self.loss) as at:
            losses, gradient = at.gradients(at.point)
            step = self.step(at, losses, gradient)
            with torch.no_grad():
                joint = at.losses(at.point - step) - losses
                alone = sum(
                    at.losses(at.point - at.only(step, layer.parameters)) - losses
                    for layer in at.layers
                )
        predicted = (gradient * step).sum(1)
        relative_step = step.norm(dim=1) / at.point.norm(dim=1)
        return [
            *event.rows(f"{self.name}_remainder", (joint + predicted).abs() / predicted, "1"),
            *event.rows(f"{self.name}_cross_share", (joint - alone) / predicted, "1"),
            *event.rows(f"{self.name}_predicted", predicted / losses, "1"),
            *event.rows(f"{self.name}_relative_step", relative_step, "1"),
            *event.rows(f"{self.name}_change", joint, "nat"),
        ]
