"""Normalizers by name, so that any network can be given any of them."""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

from torch import Tensor, nn

from bnkit.layers import LpNorm

Placement = Literal["before", "after"]


class Normalizer(NamedTuple):
    """What a network has to know of a normalizer.

    Attributes:
        make: (num_features, dims, eps=, affine=) -> module, for inputs (N, C, *spatial) with
            `dims` spatial axes.
        by_channel: each channel is normalized without a look at the others.
        removes_bias: a constant added to a channel in front of it has no effect.
    """

    make: Callable[..., nn.Module]
    by_channel: bool
    removes_bias: bool


def _none(num_features: int, dims: int, *, eps: float, affine: bool) -> nn.Module:
    return nn.Identity()


def _batch(num_features: int, dims: int, *, eps: float, affine: bool) -> nn.Module:
    layer = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[dims]
    return layer(num_features, eps=eps, affine=affine)


def _lp(
    num_features: int, dims: int, *, eps: float, affine: bool, spread: str, before_shift: bool
) -> nn.Module:
    return LpNorm(num_features, spread, before_shift=before_shift, eps=eps, affine=affine)


def _layer(num_features: int, dims: int, *, eps: float, affine: bool) -> nn.Module:
    return nn.GroupNorm(1, num_features, eps=eps, affine=affine)  # γ and β of each channel


NORMALIZERS = {
    "none": Normalizer(_none, by_channel=True, removes_bias=False),
    "batch": Normalizer(_batch, by_channel=True, removes_bias=True),
    **{
        spread + suffix: Normalizer(
            partial(_lp, spread=spread, before_shift=before_shift),
            by_channel=True,
            removes_bias=not before_shift,
        )
        for suffix, before_shift in (("", False), ("-before-shift", True))
        for spread in ("l1", "linf")
    },
    "layer": Normalizer(_layer, by_channel=False, removes_bias=False),
}


def find(name: str) -> Normalizer:
    """ValueError for a name that is not there."""
    if name not in NORMALIZERS:
        raise ValueError(f"norm {name!r}: choose one of {', '.join(NORMALIZERS)}")
    return NORMALIZERS[name]


def normalizer(
    name: str, num_features: int, dims: int, *, eps: float = 1e-5, affine: bool = True
) -> nn.Module:
    """A new normalizer for (N, num_features, *spatial) with `dims` spatial axes, 0 to 3."""
    return find(name).make(num_features, dims, eps=eps, affine=affine)


def needs_bias(name: str, placement: str = "before") -> bool:
    """Whether a layer has a use for a bias: not where the normalizer behind it subtracts it.

    Ioffe & Szegedy (2015), section 3.2. The placement is that of the normalizer, "before" or
    "after" the nonlinearity; ValueError for another.
    """
    if placement not in ("before", "after"):
        raise ValueError(f"placement {placement!r}: choose before or after")
    return placement == "after" or not find(name).removes_bias


class Folded(nn.Module):
    """One normalizer for K stacked seeds, whose channels it sees as K * C channels of one net."""

    def __init__(
        self, name: str, num_seeds: int, num_features: int, *, eps: float, affine: bool = True
    ) -> None:
        super().__init__()
        if not find(name).by_channel:
            raise ValueError(f"norm {name!r} mixes channels: seeds cannot be folded into them")
        self.norm = normalizer(name, num_seeds * num_features, 1, eps=eps, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """(K, C, N) -> (K, C, N)."""
        return self.norm(x.reshape(1, -1, x.shape[-1])).view_as(x)
