"""The noise of `shifting_noise` behind a convolution, drawn where the network runs.

There a unit is a channel, and its samples are examples times positions (Ioffe & Szegedy, 2015,
section 3.2): a step has one mean and one scale for a channel, and a shift and a factor for each of
its values.
"""

import torch
from torch import Tensor, nn


class ChannelNoise(nn.Module):
    """Algorithm 1 of Santurkar et al. (2018), appendix A.2.1, for (N, C, *spatial).

    The noise comes from torch's default generator of the device, so that a step captured as a CUDA
    graph draws anew at each replay; every forward pass in training mode has its own. In evaluation
    it is replaced by what it is on average, as `ShiftingNoise` does.

    Args:
        dose: d, with n_μ = d, n_σ = 1 + d/2 and r_μ = r_σ = d/5; d = 0.5 is the paper's noise.
    """

    def __init__(self, dose: float) -> None:
        super().__init__()
        if not dose > 0:
            raise ValueError(f"dose {dose}: noise needs a dose above 0; leave it out for none")
        self.dose = dose

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *spatial) -> the same."""
        if not self.training:
            return x * (1 + self.dose / 4)
        spread = self.dose / 5
        of_channels = (1, x.shape[1], *[1] * (x.dim() - 2))
        mean = self.dose * (2 * x.new_empty(of_channels).uniform_() - 1)
        scale = 1 + self.dose / 2 * x.new_empty(of_channels).uniform_()
        shift, factor = torch.empty_like(x), torch.empty_like(x)
        in_memory_order(shift).uniform_(-spread, spread)
        in_memory_order(factor).normal_(0.0, spread)
        return torch.addcmul(shift.add_(mean), factor.add_(scale), x)


def in_memory_order(x: Tensor) -> Tensor:
    """All values of a dense x as one row, sharing its memory.

    On a CPU normal numbers are drawn ten times as fast into a row as into channels-last images.
    """
    return x.as_strided((x.numel(),), (1,))
