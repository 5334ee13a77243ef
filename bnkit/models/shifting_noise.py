"""Noise that shifts the distribution of every unit, anew at each step.

Santurkar et al. (2018), appendix A.2.1, algorithm 1 ("noisy" batch normalization). At each step and
for each unit a mean μ ~ U(-n_μ, n_μ) and a scale σ ~ U(1, n_σ) are drawn; then for each example a
shift m ~ U(μ - r_μ, μ + r_μ) and a factor s ~ N(σ, r_σ), where r_σ is taken as the standard
deviation; and the activation a becomes s a + m.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

Part = Literal["all", "gain", "centered"]


class ShiftingNoise(nn.Module):
    """The noise behind one layer of K stacked nets.

    The noise of a seed is a function of the seed, the step and the layer, and of nothing else: arms
    are paired, a stack does not matter, and at one step another set of examples meets the same μ
    and σ, so that a probe in train mode sees the shift of that step. `step` is moved on by whoever
    takes the steps.

    The paper does not say what the layer does in evaluation. Here it multiplies by the mean of s
    and adds the mean of m, which is 0; as dropout does, it replaces the noise by what it is on
    average.

    Args:
        seeds: one net each.
        layer: its number in the net.
        dose: d, with n_μ = d, n_σ = 1 + d/2 and r_μ = r_σ = d/5; d = 0.5 is the paper's noise.
        in_spreads: m is in units of the standard deviation that each unit has in the batch, which
            counts as a constant in differentiation; a unit behind BN has about 1.
        part: "all" of the noise; the "gain" alone, which is the mean of s and larger than 1; or the
            noise "centered", divided by that mean, so that it neither grows nor shrinks a unit.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        layer: int,
        *,
        dose: float,
        in_spreads: bool = False,
        part: Part = "all",
    ) -> None:
        super().__init__()
        if not dose > 0:
            raise ValueError(f"dose {dose}: noise needs a dose above 0; leave it out for none")
        self.seeds, self.layer, self.dose, self.in_spreads = tuple(seeds), layer, dose, in_spreads
        self.part = part
        self.step = 0

    def forward(self, x: Tensor) -> Tensor:
        """(K, C, N) -> (K, C, N)."""
        gain = 1 + self.dose / 4
        if self.part == "gain" or not self.training:
            return x if self.part == "centered" else x * gain
        factor, shift = (torch.from_numpy(part).to(x) for part in self.drawn(*x.shape[1:]))
        if self.in_spreads:
            shift = shift * x.detach().std(dim=2, correction=0, keepdim=True)
        noisy = torch.addcmul(shift, factor, x)
        return noisy / gain if self.part == "centered" else noisy

    def drawn(self, num_units: int, num_examples: int) -> tuple[np.ndarray, np.ndarray]:
        """The factors s and shifts m of this step, (K, C, N) each, in float32."""
        shape = (len(self.seeds), num_units, num_examples)
        factor, shift = np.empty(shape, np.float32), np.empty(shape, np.float32)
        spread = np.float32(self.dose / 5)
        for k, seed in enumerate(self.seeds):
            rng = np.random.default_rng((seed, self.step, self.layer))
            # What the units share comes first: it does not depend on the number of examples.
            mean, scale = rng.random((2, num_units, 1), dtype=np.float32)
            rng.random(out=shift[k], dtype=np.float32)
            shift[k] *= 2 * spread
            shift[k] += np.float32(self.dose) * (2 * mean - 1) - spread
            rng.standard_normal(out=factor[k], dtype=np.float32)
            factor[k] *= spread
            factor[k] += 1 + np.float32(self.dose / 2) * scale
        return factor, shift
