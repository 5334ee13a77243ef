"""Convolutions, pooling and a linear head, without skips: what the small CNN and the VGG share."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bnkit.models.activations import activation as make_activation
from bnkit.models.normalizers import Placement, needs_bias, normalizer
from bnkit.models.weights import convolution, linear


class PlainCNN(nn.Module):
    """One seed's network of 3 × 3 convolutions in stages, each ending in a 2 × 2 max pooling.

    Probes find layer i, from 0, as "convs.i", "norms.i" and "activations.i", the last layer as
    "head".

    Args:
        shape: (C, H, W) of an image.
        num_classes: outputs of the head.
        seed: the weights are drawn from this alone, and are the same for every normalizer.
        stages: widths of the convolutions of each stage.
        norm: a name of `models.normalizers`.
        activation: a name of `models.activations`.
        placement: the normalizer "before" or "after" the nonlinearity.
        affine: learn γ and β.
        init: as in `models.weights`.
        eps: of the normalizer, in units of its squared input.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        num_classes: int,
        seed: int,
        *,
        stages: Sequence[Sequence[int]],
        norm: str,
        activation: str = "relu",
        placement: Placement = "before",
        affine: bool = True,
        init: str = "he",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        if min(shape[1:]) >> len(stages) == 0:
            raise ValueError(f"shape {shape}: {len(stages)} poolings leave nothing of the image")
        generator = torch.Generator().manual_seed(seed)
        widths = [width for stage in stages for width in stage]
        bias = needs_bias(norm, placement)
        self.placement = placement
        self.convs = nn.ModuleList(
            convolution(inputs, outputs, init=init, generator=generator, bias=bias)
            for inputs, outputs in zip([shape[0], *widths], widths, strict=False)
        )
        self.norms = nn.ModuleList(
            normalizer(norm, width, dims=2, eps=eps, affine=affine) for width in widths
        )
        self.activations = nn.ModuleList(make_activation(activation) for _ in widths)
        self.pools = nn.ModuleList(
            nn.MaxPool2d(2) if last else nn.Identity()
            for stage in stages
            for last in [False] * (len(stage) - 1) + [True]
        )
        positions = (shape[1] >> len(stages)) * (shape[2] >> len(stages))
        self.head = linear(widths[-1] * positions, num_classes, init=init, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, num_classes)."""
        for conv, norm, activation, pool in zip(
            self.convs, self.norms, self.activations, self.pools, strict=True
        ):
            z = conv(x)
            x = pool(activation(norm(z)) if self.placement == "before" else norm(activation(z)))
        return self.head(x.flatten(1))
