"""Deep linear nets of many seeds, stacked: no nonlinearity, so that depth and BN are all there is.

Santurkar et al. (2018), figures 3 to 5, use one of 25 layers. Without a normalizer it is the
product of its matrices.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from bnkit.models import weights
from bnkit.models.normalizers import Folded
from bnkit.models.stacked_mlp import StackedLinear


class DeepLinear(nn.Module):
    """A net per seed of square matrices without biases, a normalizer after each but the last.

    Probes find layer i, from 0, as "linears.i", and the normalizer behind it as "norms.i".

    Args:
        width: of every layer, the input and the output; an even one keeps each seed's numbers bit
            for bit what they are alone, as in `StackedMLP`.
        depth: number of matrices.
        seeds: one net each; its weights are drawn from this seed alone.
        norm: a name of `models.normalizers` that treats each channel on its own.
        affine: learn γ and β.
        init: as in `models.weights`.
        eps: of the normalizer, in units of its squared input.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        seeds: Sequence[int],
        *,
        norm: str,
        affine: bool = True,
        init: str = "glorot",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.seeds = tuple(seeds)
        drawn = weights.stacked([(width, width)] * depth, self.seeds, init)
        self.linears = nn.ModuleList(StackedLinear(each, bias=False) for each in drawn)
        self.norms = nn.ModuleList(
            Folded(norm, len(self.seeds), width, eps=eps, affine=affine) for _ in drawn[:-1]
        )

    def forward(self, x: Tensor) -> Tensor:
        """(K, N, width) examples, or (N, width) that all seeds share, to (K, N, width)."""
        h = x.transpose(-1, -2)
        if x.dim() == 2:
            h = h.expand(len(self.seeds), *h.shape)  # (K, C, N)
        for linear, norm in zip(self.linears[:-1], self.norms, strict=True):
            h = norm(linear(h))
        return self.linears[-1](h).transpose(1, 2)
