"""The ways to normalize a batch that are compared, and what they are compared on.

An arm is a function of a batch and a residual, closed over parameters and running statistics.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from bnkit import kernels
from bnkit.bench.gpu_cases import Layout

EPS = 1e-5
Forward = Callable[[Tensor, Tensor | None], Tensor]


class Batch(NamedTuple):
    """Input, the gradient that comes back to the output, and what is added before the ReLU."""

    x: Tensor
    dy: Tensor
    residual: Tensor | None


class Parameters(NamedTuple):
    """(C,) each."""

    gamma: Tensor
    beta: Tensor
    running_mean: Tensor
    running_var: Tensor


def draw_parameters(num_channels: int, device: str, dtype: torch.dtype) -> Parameters:
    """No defaults: a wrong factor of one would not show."""
    gamma, beta = torch.randn(2, num_channels, device=device, dtype=dtype).unbind()
    return Parameters(
        gamma.clone().requires_grad_(),
        beta.clone().requires_grad_(),
        torch.zeros(num_channels, device=device, dtype=dtype),
        torch.ones(num_channels, device=device, dtype=dtype),
    )


def draw_batch(
    shape: tuple[int, ...], dtype: torch.dtype, layout: Layout, device: str, *, adds: bool
) -> Batch:
    """Random tensors, never zeros, which hide errors and can be faster than data."""
    drawn = [_draw(shape, dtype, layout, device) for _ in range(3 if adds else 2)]
    x, dy, *residual = drawn
    x.mul_(2.0).add_(0.5)
    for tensor in (x, *residual):
        tensor.requires_grad_()
    return Batch(x, dy, residual[0] if residual else None)


def eager(parameters: Parameters, *, relu: bool) -> Forward:
    """Torch's own operators, one after the other."""

    def forward(x: Tensor, residual: Tensor | None) -> Tensor:
        gamma, beta, mean, var = parameters
        y = F.batch_norm(x, mean, var, gamma, beta, training=True, momentum=0.1, eps=EPS)
        y = y if residual is None else y + residual
        return F.relu(y) if relu else y

    return forward


def compiled(parameters: Parameters, *, relu: bool, device: str, mode: str | None) -> Forward:
    """The same by `torch.compile`; on a CPU only traced, since that needs no compiler there."""
    if device == "cpu":
        return torch.compile(eager(parameters, relu=relu), fullgraph=True, backend="aot_eager")
    return torch.compile(eager(parameters, relu=relu), fullgraph=True, mode=mode)


def forget_compiled() -> None:
    """Or case after case meets the limit of recompilations, and runs eagerly without a word."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


def num_compiled() -> int:
    """Graphs compiled since `forget_compiled`."""
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


def ours(parameters: Parameters, *, relu: bool) -> Forward:
    """The kernels of this project."""

    def forward(x: Tensor, residual: Tensor | None) -> Tensor:
        return kernels.batch_norm(
            x, *parameters, running_rate=0.1, eps=EPS, residual=residual, relu=relu
        )

    return forward


def native_backend(x: Tensor, parameters: Parameters) -> str:
    """Which implementation torch chooses for its eager operator, if it tells."""
    choose = getattr(torch._C, "_select_batch_norm_backend", None)
    if choose is None:
        return "not told by this version of torch"
    gamma, beta, mean, var = parameters
    return str(choose(x, gamma, beta, mean, var, True, EPS)).rpartition(".")[2]


def inputs(batch: Batch, parameters: Parameters) -> list[Tensor]:
    """What gradients are taken by."""
    given = [batch.x, parameters.gamma, parameters.beta]
    return given if batch.residual is None else [*given, batch.residual]


def relative_errors(forward: Forward, batch: Batch, parameters: Parameters, *, relu: bool) -> Any:
    """‖value - exact‖ / ‖exact‖ of output and gradients, exact by torch in float64."""
    values = _values(forward, batch, parameters)
    wide = Parameters(*(p.detach().double() for p in parameters))
    wide.gamma.requires_grad_()
    wide.beta.requires_grad_()
    doubled = Batch(*(None if t is None else t.detach().double().requires_grad_() for t in batch))
    exact = _values(eager(wide, relu=relu), doubled, wide)
    return {
        name: float((value.double() - correct).norm() / correct.norm())
        for name, value, correct in zip(
            ("y", "dx", "dgamma", "dbeta", "dresidual"), values, exact, strict=False
        )
    }


@contextmanager
def poisoned() -> Iterator[None]:
    """Inside, fresh tensors are full of NaN, so that an element never written is seen."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _values(forward: Forward, batch: Batch, parameters: Parameters) -> list[Tensor]:
    y = forward(batch.x, batch.residual)
    gradients = torch.autograd.grad(y, inputs(batch, parameters), batch.dy.to(y.dtype))
    return [y.detach(), *gradients]


def _draw(shape: tuple[int, ...], dtype: torch.dtype, layout: Layout, device: str) -> Tensor:
    if layout == "contiguous":
        return torch.randn(shape, dtype=dtype, device=device)
    n, c, *spatial = shape
    return torch.randn(n, *spatial, c, dtype=dtype, device=device).movedim(-1, 1)
