"""Dropout (Srivastava et al., 2014) behind a layer of stacked nets.

A unit is dropped with probability p and else divided by 1 - p, so that its mean stays what it is;
in evaluation nothing happens.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class StackedDropout(nn.Module):
    """Dropout of K seeds, whose masks differ.

    The mask of a seed is a function of the seed, the layer and the number of calls in train mode
    so far, and of nothing else: a stack does not matter, and arms with the same rate drop the same
    units. That number is a buffer, which a measurement puts back.

    Args:
        seeds: one net each.
        layer: its number in the net.
        rate: the probability to drop a unit.
    """

    calls: Tensor

    def __init__(self, seeds: Sequence[int], layer: int, rate: float) -> None:
        super().__init__()
        if not 0 < rate < 1:
            raise ValueError(f"dropout rate {rate}: give one between 0 and 1, or leave it out")
        self.seeds, self.layer, self.rate = tuple(seeds), layer, rate
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """(K, C, N) -> (K, C, N)."""
        if not self.training:
            return x
        return x * torch.from_numpy(self.next_mask(*x.shape[1:])).to(x)

    def next_mask(self, num_units: int, num_examples: int) -> np.ndarray:
        """The factors 0 and 1 / (1 - p) of the coming call, (K, C, N) in float32."""
        draws = np.empty((len(self.seeds), num_units, num_examples), np.float32)
        for seed, own in zip(self.seeds, draws, strict=True):
            rng = np.random.default_rng((seed, int(self.calls), self.layer))
            rng.random(out=own, dtype=np.float32)
        self.calls += 1
        return (draws >= np.float32(self.rate)) * np.float32(1 / (1 - self.rate))
