"""Batch normalization of stacked nets over a part of the batch, and over more than the batch.

Ghost batches (Hoffer et al., 2017, algorithm 1): a batch is cut into groups, and each group has
statistics of its own. Population normalization (after Luo et al., 2019): each example of the batch
is normalized with the statistics of a whole population of examples, whatever the batch is.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnkit.models.stacked_mlp import StackedBatchNorm


class StackedGhostBatchNorm(StackedBatchNorm):
    """Batch normalization over groups of `ghost_size` examples in their order in the batch.

    The running statistics take the mean over groups of the groups' means and unbiased variances.

    Args:
        num_seeds: K.
        num_features: C.
        ghost_size: examples that are normalized together, at least 2; it divides N.
    """

    def __init__(
        self,
        num_seeds: int,
        num_features: int,
        ghost_size: int,
        *,
        affine: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__(num_seeds, num_features, affine=affine, eps=eps)
        self.ghost_size = ghost_size

    def forward(self, x: Tensor) -> Tensor:
        """(K, C, N) -> (K, C, N)."""
        if not self.training:
            return super().forward(x)
        if x.shape[2] % self.ghost_size:
            raise ValueError(f"{x.shape[2]} examples do not make groups of {self.ghost_size}")
        groups = x.reshape(1, -1, self.ghost_size)  # one channel for each seed, unit and group
        if self.bn.track_running_stats:
            self._track(groups.detach().view(self.bn.num_features, -1, self.ghost_size))
        x_hat = F.batch_norm(groups, None, None, training=True, eps=self.bn.eps).view_as(x)
        if not self.bn.affine:
            return x_hat
        shape = (*x.shape[:2], 1)
        return torch.addcmul(self.bn.bias.view(shape), x_hat, self.bn.weight.view(shape))

    def _track(self, groups: Tensor) -> None:
        """Running statistics from (K * C, G, ghost_size)."""
        var_unbiased, mean = torch.var_mean(groups, dim=2, correction=1)
        running_rate = self.bn.momentum  # torch's momentum: the weight of the new batch
        self.bn.running_mean.lerp_(mean.mean(dim=1), running_rate)
        self.bn.running_var.lerp_(var_unbiased.mean(dim=1), running_rate)
        self.bn.num_batches_tracked += 1


class StackedPopulationNorm(nn.Module):
    """Normalization with the mean and variance of a population, through which gradients flow.

    In train mode the examples of the batch come first, and behind them those of the population,
    of which there are `num_population`. In evaluation the statistics are those of the last call in
    train mode.

    Args:
        num_seeds: K.
        num_features: C.
        num_population: how many of the examples in train mode, the last ones, are the population.
    """

    mean: Tensor
    var_biased: Tensor

    def __init__(
        self, num_seeds: int, num_features: int, num_population: int, *, eps: float = 1e-5
    ) -> None:
        super().__init__()
        shape = (num_seeds, num_features, 1)
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape))
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("var_biased", torch.ones(shape))
        self.num_population, self.eps = num_population, eps

    def forward(self, x: Tensor) -> Tensor:
        """(K, C, N + population) in train mode, (K, C, N) in evaluation; the same shape back."""
        mean, var_biased = self.mean, self.var_biased
        if self.training:
            population = x[:, :, -self.num_population :]
            mean = population.mean(dim=2, keepdim=True)
            var_biased = (population - mean).square().mean(dim=2, keepdim=True)
            self.mean.copy_(mean.detach())
            self.var_biased.copy_(var_biased.detach())
        x_hat = (x - mean) * torch.rsqrt(var_biased + self.eps)
        return torch.addcmul(self.bias, x_hat, self.weight)
