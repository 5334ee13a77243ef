"""ResNet for images of 32 × 32: 6 n + 2 layers (He et al., 2016, section 4.2)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnkit.models.activations import activation as make_activation
from bnkit.models.normalizers import Placement, needs_bias, normalizer
from bnkit.models.weights import convolution, linear

WIDTHS = (16, 32, 64)


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions and a skip around them.

    Where the width doubles and the image is halved the skip takes every second pixel and adds
    channels of zeros (option A of the paper), so that it has no parameters and no normalizer.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        norm: str,
        activation: str,
        placement: Placement,
        init: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.stride = 1 if inputs == outputs else 2
        self.placement = placement
        weights: dict[str, Any] = {"init": init, "generator": generator}
        weights["bias"] = needs_bias(norm, placement)
        self.convs = nn.ModuleList(
            [
                convolution(inputs, outputs, stride=self.stride, **weights),
                convolution(outputs, outputs, **weights),
            ]
        )
        self.norms = nn.ModuleList(normalizer(norm, outputs, dims=2) for _ in range(2))
        self.activations = nn.ModuleList(make_activation(activation) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        skip = x[:, :, :: self.stride, :: self.stride]
        skip = F.pad(skip, (0, 0, 0, 0, 0, self.convs[1].out_channels - x.shape[1]))
        z = self.convs[0](x)
        if self.placement == "before":
            h = self.activations[0](self.norms[0](z))
            return self.activations[1](self.norms[1](self.convs[1](h)) + skip)
        h = self.norms[0](self.activations[0](z))
        return self.norms[1](self.activations[1](self.convs[1](h) + skip))


class ResNet(nn.Module):
    """One seed's residual network: a convolution, three stages of blocks, mean, linear head.

    Probes find the layers as "stem", "blocks.3.convs.0", "blocks.3.norms.0",
    "blocks.3.activations.0" and so on, and "head"; the input of "blocks.3" is the stream.

    Args:
        shape: (C, H, W) of an image.
        num_classes: outputs of the head.
        seed: the weights are drawn from this alone, and are the same for every normalizer.
        blocks_per_stage: n; 3 is ResNet-20.
        norm: a name of `models.normalizers`.
        activation: a name of `models.activations`.
        placement: the normalizer "before" the nonlinearity, as in the paper, where the second one
            comes in front of the sum; or "after" it.
        init: as in `models.weights`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        num_classes: int,
        seed: int,
        *,
        norm: str,
        blocks_per_stage: int = 3,
        activation: str = "relu",
        placement: Placement = "before",
        init: str = "he",
    ) -> None:
        super().__init__()
        weights: dict[str, Any] = {"init": init}
        weights["generator"] = torch.Generator().manual_seed(seed)
        self.placement = placement
        bias = needs_bias(norm, placement)
        self.stem = convolution(shape[0], WIDTHS[0], bias=bias, **weights)
        self.norm = normalizer(norm, WIDTHS[0], dims=2)
        self.activation = make_activation(activation)
        widths = [width for width in WIDTHS for _ in range(blocks_per_stage)]
        self.blocks = nn.ModuleList(
            BasicBlock(
                inputs,
                outputs,
                norm=norm,
                activation=activation,
                placement=placement,
                **weights,
            )
            for inputs, outputs in zip([WIDTHS[0], *widths], widths, strict=False)
        )
        self.head = linear(WIDTHS[-1], num_classes, **weights)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, num_classes)."""
        z = self.stem(x)
        first, second = self.norm, self.activation
        if self.placement == "after":
            first, second = second, first
        x = second(first(z))
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(dim=(2, 3)))
