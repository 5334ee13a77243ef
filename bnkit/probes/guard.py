"""A measurement that leaves no trace: the guard around every probe."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn

BnMode = Literal["batch", "running"]


@contextmanager
def measuring(model: nn.Module, bn_mode: BnMode) -> Iterator[None]:
    """Inside: do anything to `model`. Afterwards: it is bit for bit as before.

    Restores parameters, buffers (the running statistics), `.grad`, train and eval flags,
    `requires_grad`, and the random state of the CPU and of the model's GPU, also when the block
    raises.

    Args:
        model: the network to be measured.
        bn_mode: "batch" lets its BN layers use the statistics of the batch that they see, the
            function that SGD descends; "running" their running statistics, as in evaluation.
    """
    if bn_mode not in ("batch", "running"):
        raise ValueError(f"bn_mode {bn_mode!r}: choose batch or running")
    parameters = dict(model.named_parameters())
    tensors = {**parameters, **dict(model.named_buffers())}
    values = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    gradients = {name: p.grad for name, p in parameters.items()}
    gradient_values = {n: g.detach().clone() for n, g in gradients.items() if g is not None}
    flags = {name: p.requires_grad for name, p in parameters.items()}
    modes = {module: module.training for module in model.modules()}
    on_gpu = sorted({t.device.index for t in tensors.values() if t.is_cuda})
    with torch.random.fork_rng(devices=on_gpu):
        model.train(bn_mode == "batch")
        try:
            yield
        finally:
            with torch.no_grad():
                for name, tensor in tensors.items():
                    tensor.copy_(values[name])
            for name, parameter in parameters.items():
                parameter.grad = gradients[name]
                if name in gradient_values:
                    parameter.grad.copy_(gradient_values[name])
                parameter.requires_grad_(flags[name])
            for module, training in modes.items():
                module.training = training
