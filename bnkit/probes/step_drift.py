"""How far does one step move the distributions inside the network?"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bnkit.probes.guard import BnMode, measuring
from bnkit.probes.hooks import captured_inputs
from bnkit.rows import Row, StepEvent


@dataclass
class StepDrift:
    """Change of mean and variance over one step, as the median over all units of some layers.

    A unit is a channel at the input of one of the modules named in `layers`; its samples are the
    fixed examples `x` and, in a convolution, the positions. Raw, in units of the activation, and
    divided by the standard deviation and the variance of the unit before the step, which is blind
    to its scale. In the mode "batch" it is what the next layer sees in training: behind BN a mean
    is then β and a variance γ². Two moments say nothing about shape (see `MomentDrift`). Cost: one
    forward pass a look. Rows come from two looks one step apart; other looks only remember.
    """

    layers: Sequence[str]
    x: Tensor
    bn_mode: BnMode = "batch"
    name: str = ""
    _previous: tuple[int, Tensor, Tensor] | None = field(default=None, repr=False)

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows after `name`: "step_mean_drift" and "step_variance_drift", and "_scaled" of both."""
        mean, variance = self._moments(event)  # (K, C of all layers)
        before, self._previous = self._previous, (event.step, mean, variance)
        if before is None or before[0] != event.step - 1:
            return []
        _, old_mean, old_variance = before
        by_mean, by_variance = (mean - old_mean).abs(), (variance - old_variance).abs()
        drifts = {
            "mean_drift": by_mean,
            "variance_drift": by_variance,
            "mean_drift_scaled": by_mean / old_variance.sqrt(),
            "variance_drift_scaled": by_variance / old_variance,
        }
        rows = []
        for name, drift in drifts.items():
            still = torch.where((drift != drift) & (old_variance == 0), 0.0, drift)  # 0 / 0
            rows += event.rows(f"{self.name}step_{name}", still.median(dim=1).values, "1")
        return rows

    def _moments(self, event: StepEvent) -> tuple[Tensor, Tensor]:
        means, variances = [], []
        with (
            measuring(event.model, self.bn_mode),
            torch.no_grad(),
            captured_inputs(event.model, self.layers) as seen,
        ):
            event.model(self.x)
            for name in self.layers:
                values = seen[name]
                if values.dim() == 3 and len(values) == len(event.seeds):
                    samples = (2,)  # stacked: (K, C, N)
                else:
                    values = values.unsqueeze(0)  # (1, N, C, ...)
                    samples = (1, *range(3, values.dim()))
                variance, mean = torch.var_mean(values.double(), dim=samples, correction=0)
                means.append(mean)
                variances.append(variance)
        return torch.cat(means, dim=1), torch.cat(variances, dim=1)
