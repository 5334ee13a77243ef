"""What does a module see while the network runs?"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def captured_inputs(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Collect the first input of each named module while the block runs, by name.

    A tensor comes with its graph where one is built, so that it can be differentiated and
    differentiated by; examples, which have none, are replaced by a copy that has. Of a module that
    is called more than once, the first call counts.

    Raises:
        ValueError: the model has no module of such a name.
    """
    modules = dict(model.named_modules())
    absent = [name for name in names if name not in modules]
    if absent:
        raise ValueError(f"no module {absent[0]!r}: choose from {', '.join(filter(None, modules))}")
    seen: dict[str, Tensor] = {}

    def keep(name: str, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        first, *others = inputs
        if torch.is_grad_enabled() and not first.requires_grad:
            first = first.clone().requires_grad_()
        seen.setdefault(name, first)
        return first, *others

    with ExitStack() as hooks:
        for name in names:
            hooks.callback(
                modules[name]
                .register_forward_pre_hook(lambda _, inputs, name=name: keep(name, inputs))
                .remove
            )
        yield seen
