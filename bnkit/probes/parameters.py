"""Which parameters make up a layer, and which layers come before which?

Names do not tell: one model lists all its linear maps before all its normalizers, another mixes
them. So the model is run once, and the order in which its modules are called is the answer.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Layer(NamedTuple):
    """A linear map or convolution with all that follows it up to the next one.

    Attributes:
        name: of the module that holds its weight, such as "linears.0"; "" for the model itself.
        parameters: their names in the model; the weight first, then its bias, then γ and β.
    """

    name: str
    parameters: tuple[str, ...]


def layers_in_order(model: nn.Module, x: Tensor) -> list[Layer]:
    """The layers of `model` in the order in which the input `x` meets them.

    A module whose weight has two axes or more opens a layer, unless its class is called a norm;
    any other module with parameters joins the layer that is open. Cost: one forward pass, which
    may move running statistics and draw random numbers: call it behind the guard.
    """
    called: list[str] = []
    modules = {
        name: module
        for name, module in model.named_modules()
        if any(True for _ in module.parameters(recurse=False))
    }
    hooks = [
        module.register_forward_pre_hook(lambda _, __, name=name: called.append(name))
        for name, module in modules.items()
    ]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for hook in hooks:
            hook.remove()
    layers: list[Layer] = []
    for name in dict.fromkeys(called):  # the first call of each
        own = tuple(
            f"{name}.{parameter}" if name else parameter
            for parameter, _ in modules[name].named_parameters(recurse=False)
        )
        if layers and not _opens_a_layer(modules[name]):
            layers[-1] = layers[-1]._replace(parameters=layers[-1].parameters + own)
        else:
            layers.append(Layer(name, own))
    return layers


def _opens_a_layer(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return weight is not None and weight.dim() >= 2 and "Norm" not in type(module).__name__


def num_filters(shape: Sequence[int], num_seeds: int) -> int:
    """How many filters one seed has in a weight of this shape.

    A filter is what makes one output: a row of a matrix, or the kernel of an output channel. The
    weight is (num_seeds, out, in) in a stack of matrices, else (num_seeds * out, in, ...).
    """
    stacked = len(shape) == 3 and shape[0] == num_seeds
    return shape[1] if stacked else shape[0] // num_seeds
