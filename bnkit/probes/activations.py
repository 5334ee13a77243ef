"""Where do the inputs of a nonlinearity lie, and how far do they move between two looks?

The figure that this follows is Figure 1 of Ioffe & Szegedy (2015): the 15th, 50th and 85th
percentiles of the inputs to one sigmoid of the last hidden layer. Here all units are measured,
on a fixed set of examples, so that nothing but the parameters can move them.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from bnkit.probes.guard import BnMode, measuring
from bnkit.probes.hooks import captured_inputs
from bnkit.rows import Row, StepEvent

PERCENTILES = (15, 50, 85)


def unit_inputs(event: StepEvent, layer: str, x: Tensor, bn_mode: BnMode) -> np.ndarray:
    """The inputs of the module named `layer`, (K seeds, C units, N samples).

    A convolution's feature map is one unit, its samples are examples times positions.
    """
    model = event.model
    with measuring(model, bn_mode), torch.no_grad(), captured_inputs(model, [layer]) as seen:
        model(x)
        values = seen[layer].cpu().double()
    if values.dim() == 3 and len(values) == len(event.seeds):
        return values.numpy()  # stacked: features first
    return values.transpose(0, 1).flatten(1).unsqueeze(0).numpy()  # (N, C, ...) of one model


@dataclass(frozen=True)
class ActivationPercentiles:
    """Percentiles of the inputs of `layer`, per unit, then their median and range over units.

    Ioffe & Szegedy (2015), Figure 1(b, c) draw one typical unit, which the rows
    "unit0_p15" and so on have; they say nothing about the others. Cost: one forward pass.
    """

    layer: str
    x: Tensor
    bn_mode: BnMode = "running"

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows "p<P>_q<Q>": the Q % quantile over units of their P-th percentile."""
        values = unit_inputs(event, self.layer, self.x, self.bn_mode)  # (K, C, N)
        rows = []
        for percentile, of_units in zip(
            PERCENTILES, np.percentile(values, PERCENTILES, axis=-1), strict=True
        ):
            rows += event.rows(f"unit0_p{percentile}", of_units[:, 0], "1")
            for quantile in (10, 50, 90):
                over_units = np.percentile(of_units, quantile, axis=-1)  # (K,)
                rows += event.rows(f"p{percentile}_q{quantile}", over_units, "1")
        return rows


def wasserstein(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Wasserstein-1 distance of two samples of equal size along the last axis.

    In one dimension the optimal transport matches sorted values, so it is their mean distance.
    """
    if a.shape != b.shape:
        raise ValueError(f"samples of shapes {a.shape} and {b.shape}: they must be equal")
    return np.abs(np.sort(a, axis=-1) - np.sort(b, axis=-1)).mean(axis=-1)


@dataclass
class ActivationDrift:
    """How far each unit's distribution has moved since the last look, as the median over units.

    Wasserstein-1 between the inputs of `layer` on the fixed examples `x` now and at the previous
    call: raw, in units of the activation, and divided by the pooled standard deviation of the two
    looks, which is blind to scale. It does not say whether a move did harm. Cost: one forward
    pass. The first call only remembers.
    """

    layer: str
    x: Tensor
    bn_mode: BnMode = "running"
    name: str = "drift"
    _previous: np.ndarray | None = field(default=None, repr=False)

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows "<name>_raw" and "<name>_scaled", for the span that ends now."""
        now = unit_inputs(event, self.layer, self.x, self.bn_mode)  # (K, C, N)
        before, self._previous = self._previous, now
        if before is None:
            return []
        with np.errstate(invalid="ignore", over="ignore"):  # a diverged seed
            raw = wasserstein(before, now)  # (K, C)
            spread = np.sqrt((before.var(axis=-1) + now.var(axis=-1)) / 2)
        scaled = np.divide(raw, spread, out=np.zeros_like(raw), where=spread > 0)
        return [
            *event.rows(f"{self.name}_raw", np.median(raw, axis=-1), "1"),
            *event.rows(f"{self.name}_scaled", np.median(scaled, axis=-1), "1"),
        ]
