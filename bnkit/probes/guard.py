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
    `requires_grad`, dtype and device, and torch's random state of the CPU and of the model's GPU,
    also when the block raises. Modules and hooks that the block adds stay.

    Args:
        model: the network to be measured.
        bn_mode: "batch" lets its BN layers use the statistics of the batch that they see, the
            function that SGD descends; "running" their running statistics, as in evaluation.
    """
    if bn_mode not in ("batch", "running"):
        raise ValueError(f"bn_mode {bn_mode!r}: choose batch or running")
    parameters = list(model.parameters())
    gradients = [p.grad for p in parameters]
    tensors = [*parameters, *model.buffers(), *(g for g in gradients if g is not None)]
    # The storage as well: a cast of the model would put another one into the same tensor.
    kept = [(tensor, tensor.data, tensor.detach().clone()) for tensor in tensors]
    names = [
        (table, dict(table))
        for module in model.modules()
        for table in (module._parameters, module._buffers)
    ]
    flags = [p.requires_grad for p in parameters]
    modes = {module: module.training for module in model.modules()}
    on_gpu = sorted({t.device.index for t in tensors if t.is_cuda})
    with torch.random.fork_rng(devices=on_gpu):
        model.train(bn_mode == "batch")
        try:
            yield
        finally:
            for table, content in names:
                table.clear()
                table.update(content)
            for tensor, storage, values in kept:
                tensor.data = storage
                storage.copy_(values)
            for parameter, gradient, flag in zip(parameters, gradients, flags, strict=True):
                parameter.grad = gradient
                parameter.requires_grad_(flag)
            for module, training in modes.items():
                module.training = training
