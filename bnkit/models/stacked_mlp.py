"""Multilayer perceptrons of many seeds, trained in one batched step.

Features come first, (K, C, N) for K seeds, C features and N examples: then a matrix product per
seed is one `baddbmm`, and batch normalization of all seeds is one layer of K * C channels on a
view, (1, K * C, N). Each seed's numbers are bit for bit those that it has when trained alone, where
all widths and the batch size are even: every seed's matrices then begin at multiples of 16 bytes,
and the order in which the matrix library sums depends on that.
"""

import copy
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from bnkit.models import weights
from bnkit.models.activations import stacked_activation
from bnkit.models.normalizers import Folded, needs_bias
from bnkit.models.stacked_dropout import StackedDropout

Placement = Literal["before", "after"]
Init = Literal["lecun", "glorot", "he", "orthogonal"]
GROUP = 10  # features that group normalization takes together


class StackedLinear(nn.Module):
    """y = W x + b for each of K seeds."""

    def __init__(self, weights: Tensor, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(weights)  # (K, out, in)
        self.bias = (
            nn.Parameter(torch.zeros(*weights.shape[:2], 1)) if bias else None
        )  # (K, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(K, in, N) -> (K, out, N)."""
        if self.bias is None:
            return torch.bmm(self.weight, x)
        return torch.baddbmm(self.bias, self.weight, x)


class StackedBatchNorm(nn.Module):
    """Batch normalization of K seeds, folded into the channel axis of one layer.

    It is torch's layer: the chapter `framework` and the tests of `bnkit.layers` show that the
    written-out one computes the same, and a sweep takes twice as long with that.
    """

    def __init__(self, num_seeds: int, num_features: int, *, affine: bool, eps: float) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(num_seeds * num_features, eps=eps, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """(K, C, N) -> (K, C, N)."""
        return self.bn(x.reshape(1, -1, x.shape[-1])).view_as(x)


class StackedLayerNorm(nn.Module):
    """Layer normalization of K seeds: each example over its features (Ba et al., 2016)."""

    def __init__(self, num_seeds: int, num_features: int, *, affine: bool, eps: float) -> None:
        super().__init__()
        shape = (num_seeds, num_features, 1)
        self.register_parameter("weight", nn.Parameter(torch.ones(shape)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(shape)) if affine else None)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(K, C, N) -> (K, C, N)."""
        centered = x - x.mean(dim=1, keepdim=True)
        x_hat = centered * torch.rsqrt(centered.square().mean(dim=1, keepdim=True) + self.eps)
        return x_hat if self.weight is None else torch.addcmul(self.bias, x_hat, self.weight)


class StackedGroupNorm(StackedLayerNorm):
    """Group normalization of K seeds: each example over groups of features (Wu & He, 2018).

    A group has 10 features, and a layer a multiple of 10; ValueError if not.
    """

    def __init__(self, num_seeds: int, num_features: int, *, affine: bool, eps: float) -> None:
        if num_features % GROUP:
            raise ValueError(f"{num_features} features do not make up whole groups of {GROUP}")
        super().__init__(num_seeds, num_features, affine=affine, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(K, C, N) -> (K, C, N)."""
        groups = x.unflatten(1, (-1, GROUP))  # (K, groups, features, N)
        centered = groups - groups.mean(dim=2, keepdim=True)
        variance = centered.square().mean(dim=2, keepdim=True)
        x_hat = (centered * torch.rsqrt(variance + self.eps)).flatten(1, 2)
        return x_hat if self.weight is None else torch.addcmul(self.bias, x_hat, self.weight)


class StackedGainLinear(StackedLinear):
    """Weight normalization (Salimans & Kingma, 2016): each row of W is g v / ‖v‖.

    `weight` is v, drawn as W is elsewhere, and the gain g begins at ‖v‖: the net begins as the
    plain one does, without the paper's initialization by a batch.
    """

    def __init__(self, weights: Tensor, *, bias: bool) -> None:
        super().__init__(weights, bias=bias)
        self.gain = nn.Parameter(weights.norm(dim=2, keepdim=True))  # (K, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(K, in, N) -> (K, out, N)."""
        weight = self.weight * (self.gain / self.weight.norm(dim=2, keepdim=True))
        return torch.bmm(weight, x) if self.bias is None else torch.baddbmm(self.bias, weight, x)


def stacked_norm(
    name: str, num_seeds: int, num_features: int, *, affine: bool, eps: float
) -> nn.Module:
    """The normalizer of that name for activations (K, C, N); ValueError for one that is not there.

    "weight" normalizes nothing here, but the weights in front.
    """
    if name in ("none", "weight"):
        return nn.Identity()
    of_examples = {"layer": StackedLayerNorm, "group": StackedGroupNorm}
    if name == "batch" or name in of_examples:
        layer = of_examples.get(name, StackedBatchNorm)
        return layer(num_seeds, num_features, affine=affine, eps=eps)
    return Folded(name, num_seeds, num_features, eps=eps, affine=affine)


class StackedMLP(nn.Module):
    """An MLP per seed: linear, normalizer and nonlinearity in each hidden layer, linear head.

    Args:
        sizes: widths from input to output, for example (784, 100, 100, 100, 10).
        seeds: one network each; its weights are drawn from this seed alone.
        norm: "none" for the plain net; "batch", "l1" or another name of `models.normalizers`;
            "group" for group normalization; "weight" for weight normalization of the layers in
            front of the nonlinearities.
        activation: a name of `models.activations`, or "prelu".
        placement: the normalizer "before" the nonlinearity, as in Ioffe & Szegedy (2015),
            section 3.2, or "after" it.
        affine: learn γ and β.
        init: standard deviation of the Gaussian weights: "lecun" 1/√in, "glorot" √(2/(in+out)),
            "he" √(2/in); or "orthogonal" matrices.
        eps: of the normalizer, in units of its squared input.
        dropout: for each hidden layer, with what probability its outputs are dropped, behind
            nonlinearity and normalizer; nowhere if empty.

    Linear layers that feed a normalizer directly have no bias if its mean would subtract it
    (section 3.2 of the paper).
    """

    def __init__(
        self,
        sizes: Sequence[int],
        seeds: Sequence[int],
        *,
        norm: str,
        activation: str,
        placement: Placement = "before",
        affine: bool = True,
        init: Init = "lecun",
        eps: float = 1e-5,
        dropout: Sequence[float] = (),
    ) -> None:
        super().__init__()
        bias = needs_bias("none" if norm in ("weight", "group") else norm, placement)
        num_hidden = len(sizes) - 2
        self.seeds = tuple(seeds)
        self.norm, self.placement = norm, placement
        shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
        drawn = weights.stacked(shapes, self.seeds, init)
        hidden = StackedGainLinear if norm == "weight" else StackedLinear
        self.linears = nn.ModuleList(hidden(weight, bias=bias) for weight in drawn[:-1])
        self.linears.append(StackedLinear(drawn[-1], bias=True))
        self.norms = nn.ModuleList(
            stacked_norm(norm, len(self.seeds), width, affine=affine, eps=eps)
            for width in sizes[1:-1]
        )
        self.activations = nn.ModuleList(
            stacked_activation(activation, len(self.seeds), width) for width in sizes[1:-1]
        )
        if dropout and len(dropout) != num_hidden:
            raise ValueError(
                f"dropout {tuple(dropout)}: give a rate for each of {num_hidden} hidden layers"
            )
        self.dropouts = nn.ModuleList(
            StackedDropout(self.seeds, layer, rate) if rate else nn.Identity()
            for layer, rate in enumerate(dropout or [0.0] * num_hidden)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (K, N, out) of examples (K, N, in), or of (N, in) that all seeds share."""
        h = x.transpose(-1, -2)
        if x.dim() == 2:
            h = h.expand(len(self.seeds), *h.shape)  # (K, in, N)
        for linear, norm, activation, dropout in zip(
            self.linears[:-1], self.norms, self.activations, self.dropouts, strict=True
        ):
            z = linear(h)  # (K, C, N)
            h = activation(norm(z)) if self.placement == "before" else norm(activation(z))
            h = dropout(h)
        return self.linears[-1](h).transpose(1, 2)

    def single(self, k: int) -> "StackedMLP":
        """A copy of the k-th seed's network as it stands: a stack of one, without gradients."""
        num_seeds = len(self.seeds)
        alone = copy.deepcopy(self)
        for module in alone.modules():
            for tensor in (*module._parameters.values(), *module._buffers.values()):
                if tensor is not None and tensor.dim() > 0:  # (K, ...) or, folded, (K * C)
                    tensor.data = tensor.data.unflatten(0, (num_seeds, -1))[k].clone()
            if hasattr(module, "num_features"):
                module.num_features //= num_seeds
            if hasattr(module, "seeds"):
                module.seeds = (self.seeds[k],)
        return alone
