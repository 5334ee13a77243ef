"""How long must a step be to take a given part off the loss, whatever the gradient foresees?"""

from dataclasses import dataclass

import torch
from torch import Tensor

from bnkit.probes.landscape import Landscape


@dataclass(frozen=True)
class AchievedDecrease:
    """The shortest ε, among those looked at, with L(θ - εg) = (1 - fraction) L.

    Looked at are the multiples 2^(k/2) of the ε that the gradient foresees, from a quarter of it to
    `reach` times; between the last one that falls short and the first that does not, ε is
    bisected. The step is NaN where none of them takes off enough: the direction does not lead
    there. Cost: some 10 + 2 log₂(reach) + `halvings` forward passes.

    Attributes:
        fraction: of the loss, between 0 and 1.
        reach: the longest step, in units of the foreseen one.
        halvings: each halves the error of ε, which begins with 0.4 of it.
    """

    fraction: float
    reach: float = 64.0
    halvings: int = 12

    def __call__(self, at: Landscape, losses: Tensor, gradient: Tensor) -> Tensor:
        """The (K, P) step to be subtracted."""
        if not 0 < self.fraction < 1:
            raise ValueError(f"fraction {self.fraction}: a part of the loss between 0 and 1")
        wanted = (1.0 - self.fraction) * losses
        foreseen = self.fraction * losses / gradient.square().sum(1)

        def enough(epsilon: Tensor) -> Tensor:
            with torch.no_grad():
                return at.losses(at.point - epsilon.unsqueeze(1) * gradient) <= wanted

        short = torch.zeros_like(foreseen)
        long = torch.full_like(foreseen, torch.nan)
        longest = 2.0 * torch.tensor(self.reach).log2()
        for k in range(-4, int(longest.round()) + 1):
            epsilon = foreseen * 2 ** (k / 2)
            searching = long.isnan()
            found = searching & enough(epsilon)
            long = torch.where(found, epsilon, long)
            short = torch.where(searching & ~found, epsilon, short)
        for _ in range(self.halvings):
            middle = (short + long) / 2
            reached = enough(middle)
            long = torch.where(reached, middle, long)
            short = torch.where(reached, short, middle)
        return long.unsqueeze(1) * gradient
