"""Initial weights: drawn from a generator of the seed's own, so that nothing else can move them."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

GAINS = {  # variance of a Gaussian weight, from the numbers of inputs and outputs of a unit
    "lecun": lambda inputs, outputs: 1 / inputs,
    "glorot": lambda inputs, outputs: 2 / (inputs + outputs),
    "he": lambda inputs, outputs: 2 / inputs,
}


def draw(shape: Sequence[int], init: str, generator: torch.Generator) -> Tensor:
    """A weight (out, in, *kernel).

    Args:
        shape: of a matrix, or of a convolution, each of whose in × kernel values is an input.
        init: standard deviation of the Gaussian: "lecun" 1/√inputs, "glorot" √(2/(inputs +
            outputs)) (Glorot & Bengio, 2010), "he" √(2/inputs) (He et al., 2015); or "orthogonal".
        generator: moved on by the draw.
    """
    if init == "orthogonal":
        return nn.init.orthogonal_(torch.empty(*shape), generator=generator)
    if init not in GAINS:
        raise ValueError(f"init {init!r}: choose one of {', '.join(GAINS)}, orthogonal")
    kernel = math.prod(shape[2:])
    scale = math.sqrt(GAINS[init](shape[1] * kernel, shape[0] * kernel))
    return torch.randn(*shape, generator=generator) * scale


def stacked(shapes: Sequence[Sequence[int]], seeds: Sequence[int], init: str) -> list[Tensor]:
    """One (K, out, in) tensor per shape; the draws of a seed depend on nothing but the seed."""
    per_seed = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        per_seed.append([draw(shape, init, generator) for shape in shapes])
    return [torch.stack(layer) for layer in zip(*per_seed, strict=True)]


def convolution(
    inputs: int,
    outputs: int,
    *,
    init: str,
    generator: torch.Generator,
    bias: bool,
    stride: int = 1,
) -> nn.Conv2d:
    """3 × 3, padded with a border of zeros; the bias begins at 0."""
    layer = skip_init(nn.Conv2d, inputs, outputs, 3, stride=stride, padding=1, bias=bias)
    return _filled(layer, init, generator)


def linear(inputs: int, outputs: int, *, init: str, generator: torch.Generator) -> nn.Linear:
    """With a bias that begins at 0."""
    return _filled(skip_init(nn.Linear, inputs, outputs), init, generator)


def _filled(layer: nn.Module, init: str, generator: torch.Generator) -> nn.Module:
    with torch.no_grad():
        layer.weight.copy_(draw(layer.weight.shape, init, generator))
        if layer.bias is not None:
            layer.bias.zero_()
    return layer
