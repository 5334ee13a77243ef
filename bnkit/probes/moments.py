"""Do the higher-order statistics of activations stay where they are?"""

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from bnkit.probes.activations import unit_inputs
from bnkit.probes.guard import BnMode
from bnkit.rows import Row, StepEvent


def standardized_statistics(values: np.ndarray) -> dict[str, np.ndarray]:
    """Skewness, excess kurtosis and off-diagonal correlations of units (K, C, N).

    Biased, as moments of the empirical distribution. A constant unit counts as 0 everywhere after
    standardizing, so its excess kurtosis is -3.

    Returns:
        "skewness" and "kurtosis", (K, C), and "correlation", (K, C (C - 1) / 2).
    """
    num_units = values.shape[1]
    with np.errstate(invalid="ignore", over="ignore"):  # a diverged seed
        centered = values - values.mean(axis=-1, keepdims=True)
        std = np.sqrt((centered**2).mean(axis=-1, keepdims=True))
        z = np.divide(centered, std, out=np.zeros_like(centered), where=std != 0)
        correlations = z @ z.swapaxes(1, 2) / values.shape[-1]
        return {
            "skewness": (z**3).mean(axis=-1),
            "kurtosis": (z**4).mean(axis=-1) - 3.0,
            "correlation": correlations[(slice(None), *np.triu_indices(num_units, k=1))],
        }


@dataclass
class MomentDrift:
    """How far skewness, excess kurtosis and correlations have moved since the last look.

    The absolute change of each unit's (each pair of units') statistic on the fixed examples `x`,
    as the median over units or pairs. All three are blind to the scale and shift of a unit, so
    γ, β and the normalization itself cannot move them: beside the Wasserstein drift of
    `ActivationDrift`, which sees every change of a unit's distribution, they say what is left
    beyond mean and variance. They see nothing that two moments and pairwise correlation cannot
    express, and do not say whether a move did harm. Cost: one forward pass. The first call only
    remembers.
    """

    layer: str
    x: Tensor
    bn_mode: BnMode = "running"
    name: str = ""
    _previous: dict[str, np.ndarray] | None = field(default=None, repr=False)

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows "skewness_drift", "kurtosis_drift" and, for two units or more, "correlation_drift".

        After `name`. Beside each, the median size of the statistic itself now: "skewness_size" and
        so on.
        """
        now = standardized_statistics(unit_inputs(event, self.layer, self.x, self.bn_mode))
        before, self._previous = self._previous, now
        if before is None:
            return []
        rows = []
        for name, values in now.items():
            if values.shape[1]:
                drift = np.median(np.abs(values - before[name]), axis=-1)
                rows += event.rows(f"{self.name}{name}_drift", drift, "1")
                rows += event.rows(
                    f"{self.name}{name}_size", np.median(np.abs(values), axis=-1), "1"
                )
        return rows
