"""The kernels as operators of torch: seen by autograd and compilers, opaque to both.

They are registered by hand rather than by `torch.library.custom_op`, which gives no gradient to an
operator that changes an argument: the running statistics are moved by the kernel that has the
batch's at hand, since a launch more would cost a small layer as much as the work itself.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version
from torch.library import Library, register_fake

from bnkit.kernels import plan

# A compiler must hand over batches as they lay in memory when it traced: the outputs lie alike.
_TAGS = (
    getattr(torch.Tag, "needs_exact_strides", torch.Tag.needs_fixed_stride_order),
    torch.Tag.pt2_compliant_tag,
)
_library = Library("bnkit", "FRAGMENT")
_library.define(
    "batch_norm(Tensor x, Tensor? gamma, Tensor? beta, Tensor(a!)? running_mean, "
    "Tensor(b!)? running_var, Tensor? residual, float running_rate, float eps, bool relu) "
    "-> (Tensor, Tensor)",
    tags=_TAGS,
)
_library.define(
    "batch_norm_inference(Tensor x, Tensor? gamma, Tensor? beta, Tensor mean, Tensor var, "
    "Tensor? residual, float eps, bool relu) -> Tensor",
    tags=_TAGS,
)
_library.define(
    "batch_norm_backward(Tensor dy, Tensor x, Tensor? y, Tensor? gamma, Tensor? beta, "
    "Tensor statistics, float eps, bool relu, bool by_batch) -> (Tensor, Tensor, Tensor)",
    tags=_TAGS,
)


def launcher(x: Tensor) -> Any:
    """The module that launches kernels, or one clear line where none can run on x.

    Raises:
        RuntimeError: Triton is not installed, or x is on the CPU and Triton does not interpret.
    """
    try:
        from bnkit.kernels import launch
    except ImportError as error:
        raise RuntimeError(
            f"the kernels need Triton ({error}): run `pip install triton` on a machine with an "
            "NVIDIA GPU, or use backend='torch'"
        ) from error
    if not (x.is_cuda or launch.IS_INTERPRETED):
        raise RuntimeError(
            f"the kernels need a tensor on an NVIDIA GPU, and x is on {x.device}: move it with "
            ".cuda(), or use backend='torch'"
        )
    return launch


def _forward(x: Tensor, *arguments: Any) -> tuple[Tensor, Tensor]:
    return launcher(x).forward(x, *arguments)


def _inference(x: Tensor, *arguments: Any) -> Tensor:
    return launcher(x).normalize(x, *arguments)


def _backward(dy: Tensor, x: Tensor, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    return launcher(x).backward(dy, x, *arguments)


@register_fake("bnkit::batch_norm")
def _fake_forward(x: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return plan.output_like(x), x.new_empty(3, x.shape[1], dtype=torch.float32)


@register_fake("bnkit::batch_norm_inference")
def _fake_inference(x: Tensor, *_: Any) -> Tensor:
    return plan.output_like(x)


@register_fake("bnkit::batch_norm_backward")
def _fake_backward(
    dy: Tensor, x: Tensor, y: Tensor | None, gamma: Any, beta: Any, statistics: Tensor, eps: float,
    relu: bool, by_batch: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    dz = plan.output_like(x) if relu and y is not None else x.new_empty(0)
    return plan.output_like(x), x.new_empty(2, x.shape[1], dtype=torch.float32), dz


class _Forward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gamma: Tensor | None, beta: Tensor | None,
        running_mean: Tensor | None, running_var: Tensor | None, residual: Tensor | None,
        running_rate: float, eps: float, relu: bool,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        with torch._C._AutoDispatchBelowAutograd():
            y, statistics = torch.ops.bnkit.batch_norm(
                x, gamma, beta, running_mean, running_var, residual, running_rate, eps, relu
            )
        ctx.mark_non_differentiable(statistics)
        _remember(ctx, x, y, gamma, beta, statistics, residual, eps, relu, by_batch=True)
        return y, statistics

    @staticmethod
    def backward(ctx: Any, dy: Tensor, _dstatistics: Tensor) -> Any:
        dx, dgamma, dbeta, dresidual = _gradients(ctx, dy)
        return dx, dgamma, dbeta, None, None, dresidual, None, None, None


class _Inference(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gamma: Tensor | None, beta: Tensor | None, mean: Tensor, var: Tensor,
        residual: Tensor | None, eps: float, relu: bool,
    ) -> Tensor:  # fmt: skip
        with torch._C._AutoDispatchBelowAutograd():
            y = torch.ops.bnkit.batch_norm_inference(x, gamma, beta, mean, var, residual, eps, relu)
        # A copy: a training step may move them before the backward pass comes.
        statistics = torch.stack([mean.float(), torch.zeros_like(mean).float(), var.float()])
        _remember(ctx, x, y, gamma, beta, statistics, residual, eps, relu, by_batch=False)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        dx, dgamma, dbeta, dresidual = _gradients(ctx, dy)
        return dx, dgamma, dbeta, None, None, dresidual, None, None


class _Backward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            return torch.ops.bnkit.batch_norm_backward(*arguments)

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(
            "the kernels have no second derivative: use backend='torch', or bnkit.layers"
        )


def _remember(
    ctx: Any, x: Tensor, y: Tensor, gamma: Tensor | None, beta: Tensor | None, statistics: Tensor,
    residual: Tensor | None, eps: float, relu: bool, *, by_batch: bool,
) -> None:  # fmt: skip
    ctx.save_for_backward(x, y if relu and residual is not None else None, gamma, beta, statistics)
    ctx.settings = (eps, relu, by_batch)
    ctx.has_residual = residual is not None


def _gradients(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
    """Dx, dgamma, dbeta and that of the residual; None for an argument that was not given."""
    x, y, gamma, beta, statistics = ctx.saved_tensors
    dx, dparameters, dz = torch.ops.bnkit.batch_norm_backward(
        dy, x, y, gamma, beta, statistics, *ctx.settings
    )
    dgamma, dbeta = (
        None if parameter is None else gradient.to(parameter.dtype)
        for parameter, gradient in zip((gamma, beta), dparameters.unbind(), strict=True)
    )
    dresidual = (dy if y is None else dz) if ctx.has_residual else None
    return dx, dgamma, dbeta, dresidual


def _differentiable(function: Any, name: str) -> Any:
    """What the operator does where gradients may be asked for."""
    operator = getattr(torch.ops.bnkit, name)

    def call(*arguments: Any) -> Any:
        asked = any(isinstance(a, Tensor) and a.requires_grad for a in arguments)
        if torch.is_grad_enabled() and asked:
            return function.apply(*arguments)
        with torch._C._AutoDispatchBelowAutograd():
            return operator(*arguments)

    return call


def _moves_running_statistics(keys: Any, *arguments: Any) -> Any:
    """Count the change of what is moved in place: autograd refuses a graph that saved it before."""
    for moved in arguments[3:5]:
        if moved is not None:
            increment_version(moved)
    below = keys & torch._C._after_ADInplaceOrView_keyset
    return torch.ops.bnkit.batch_norm.default.redispatch(below, *arguments)


for _name, _kernel, _function in (
    ("batch_norm", _forward, _Forward),
    ("batch_norm_inference", _inference, _Inference),
    ("batch_norm_backward", _backward, _Backward),
):
    for _device in ("CPU", "CUDA"):
        _library.impl(_name, _kernel, _device)
    _library.impl(_name, _differentiable(_function, _name), "Autograd")
_library.impl("batch_norm", _moves_running_statistics, "ADInplaceOrView", with_keyset=True)
