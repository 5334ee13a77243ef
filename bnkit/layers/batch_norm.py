"""Batch normalization layers that can take the place of torch's, with the mathematics written out.

They subclass torch's layers, so that tools that look for those (averaged weights, conversion to
synchronized layers, weight decay filters) see them, and never call torch's implementation.
"""

from typing import Any

import torch
from torch import Tensor, nn

from bnkit import kernels
from bnkit.layers import closed_form, functional
from bnkit.layers.functional import Statistics


def is_on_gpu(x: Tensor) -> bool:
    """Whether kernels can run on x; a net that was trained with them is evaluated anywhere."""
    return x.is_cuda


def _by_kernels(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None, eps: float
) -> tuple[Tensor, Statistics]:
    """By the Triton kernels, in float32 and on a GPU: differentiable once, and y alone."""
    y, statistics = kernels.batch_norm_with_statistics(x, gamma, beta, eps)
    return y, Statistics(*statistics)


# Each takes (x, gamma, beta, eps) and returns y with the statistics of the batch.
BACKENDS = {
    "torch": closed_form.batch_norm,
    "graph": functional.batch_norm_with_statistics,
    "triton": _by_kernels,
}


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """What the layers of one, two and three dimensions share: all but the shapes they accept.

    In training mode, and wherever there are no running statistics, x is normalized by its own
    batch (Ioffe & Szegedy 2015, Algorithm 1); in evaluation mode by the running statistics
    (Algorithm 2). A training step moves those towards the mean and the *unbiased* variance of
    the batch, after everything that could refuse the batch.

    Args:
        num_features: C, the number of channels.
        eps: added to the variance, in units of x squared. Positive in training mode.
        momentum: weight of the new batch in the running statistics (Keras, Flax and ONNX call
            the weight of the old value so). None: the plain mean over all batches.
        affine: whether gamma (`weight`) and beta (`bias`) are learned.
        track_running_stats: whether there are running statistics.
        device: of parameters and buffers.
        dtype: of parameters and buffers. Half precision input may meet float32 parameters;
            statistics are computed in float32 then.
        bias: whether there is a beta, if affine.
        backend: "torch", the closed form of the gradient, or "graph", the gradient by the
            computational graph of the plain operations; a compiler gets the latter in both cases.
            "triton" normalizes training batches by `bnkit.kernels`, on an NVIDIA GPU, and in
            evaluation those that lie on one.

    Raises:
        ValueError: for an unknown backend. In `forward`: for a wrong number of axes, one value per
            channel, or eps <= 0 in training mode. A batch that is refused leaves no trace.
        RuntimeError: in `forward`, for a wrong number of channels or a dtype that does not fit
            that of the parameters; NotImplementedError, a subclass, for integers.

    A running variance that its dtype cannot hold is stored as the largest finite number.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
        backend: str = "torch",
    ) -> None:
        if backend not in BACKENDS:
            allowed = ", ".join(repr(name) for name in BACKENDS)
            raise ValueError(f"backend = {backend!r}: choose one of {allowed}")
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype)
        self.backend = backend
        if not bias:  # the base class takes this argument only in newer versions of torch
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Gamma 1, beta 0, and the running statistics as before the first batch."""
        self.reset_running_stats()
        if self.affine:
            nn.init.ones_(self.weight)
            if self.bias is not None:
                nn.init.zeros_(self.bias)

    def extra_repr(self) -> str:
        """The arguments, the backend only where it is not the default."""
        shown = super().extra_repr()
        return shown if self.backend == "torch" else f"{shown}, backend={self.backend!r}"

    def forward(self, input: Tensor) -> Tensor:
        """Y with the shape, dtype and memory layout of the input (N, C, *spatial)."""
        self._check_input_dim(input)
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        if by_batch:
            self._check_number(functional.num_values(input), input)
        self._check_values(input, by_batch)
        if self.backend == "triton" and self._fits_kernels(input, by_batch):
            return self._all_by_kernels(input, by_batch)
        if not by_batch:
            mean, var = self.running_mean, self.running_var
            return functional.normalize_with(input, mean, var, self.weight, self.bias, self.eps)
        if input.numel() == 0:  # nothing to average: the right shape, zero gradients, no update
            mean = var = input.new_zeros(input.shape[1])
            return functional.normalize_with(input, mean, var, self.weight, self.bias, self.eps)

        y, statistics = BACKENDS[self.backend](input, self.weight, self.bias, self.eps)
        if self.track_running_stats and self.running_mean is not None:  # only in training mode
            self._track(statistics, functional.num_values(input))
        return y

    def _fits_kernels(self, x: Tensor, by_batch: bool) -> bool:
        """Whether kernels can do all of it: in evaluation too, and the running statistics as well.

        Otherwise they normalize a training batch, and torch does the rest: a plain mean over
        batches has a weight that lies on the device, and kernels know no float64.
        """
        if not by_batch:
            return is_on_gpu(x) and x.numel() > 0 and x.dtype in kernels.DTYPES and self.eps > 0
        return (
            self.training
            and x.numel() > 0
            and self.momentum is not None
            and self.running_var is not None
            and self.running_var.dtype in kernels.DTYPES
        )

    def _all_by_kernels(self, x: Tensor, by_batch: bool) -> Tensor:
        y = kernels.batch_norm(
            x,
            self.weight,
            self.bias,
            self.running_mean,
            self.running_var,
            training=by_batch,
            running_rate=self.momentum or 0.0,
            eps=self.eps,
        )
        if by_batch and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        return y

    @torch.no_grad()
    def _track(self, statistics: Statistics, num_values: int) -> None:
        """Move the running statistics, in place, towards those of this batch of num_values."""
        mean, running_rate = statistics.mean, self.momentum
        if running_rate is None:  # 1, 1/2, 1/3, ...: then the running value is the plain mean
            running_rate = (self.num_batches_tracked + 1).to(mean.dtype).reciprocal()
        var_unbiased = statistics.var_biased * (num_values / (num_values - 1))
        largest = torch.finfo(self.running_var.dtype).max
        for running, batch in (
            (self.running_mean, mean),
            (self.running_var, var_unbiased.clamp(max=largest)),
        ):
            running.copy_((1.0 - running_rate) * running.to(batch.dtype) + running_rate * batch)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)

    def _check_number(self, num_values: int, x: Tensor) -> None:
        if num_values == 1:
            raise ValueError(
                "Expected more than 1 value per channel when training, got input size "
                f"{tuple(x.shape)}: drop the last batch, or call eval()"
            )

    def _check_values(self, x: Tensor, by_batch: bool) -> None:
        shape = tuple(x.shape)
        if not (self.eps > 0 if by_batch else self.eps >= 0):
            allowed = "positive during training" if by_batch else "non-negative"
            raise ValueError(f"batch_norm eps must be {allowed}, but got {self.eps}")
        if not x.is_floating_point():
            raise NotImplementedError(
                f"batch normalization of {x.dtype} is not implemented: convert the input, "
                "for example with .float()"
            )
        if (self.running_mean is None) != (self.running_var is None):
            error = ValueError if self.training else RuntimeError
            raise error("running_mean and running_var must both be tensors, or both None")
        accepted = {x.dtype, functional.computing_dtype(x)}
        for name in ("running_mean", "running_var", "weight", "bias"):
            own = getattr(self, name)
            if own is None:
                continue
            if own.numel() != shape[1]:
                raise RuntimeError(
                    f"{name} should contain {shape[1]} elements not {own.numel()}: the input "
                    f"{shape} does not fit a layer of num_features={self.num_features}"
                )
            if own.dtype not in accepted:
                raise RuntimeError(
                    f"{name} is {own.dtype} and the input {x.dtype}: expected the dtype of the "
                    "input, or float32 for a half precision input"
                )


class BatchNorm1d(BatchNorm, nn.BatchNorm1d):
    """Batch normalization of (N, C) or (N, C, L); arguments and errors are those of `BatchNorm`."""


class BatchNorm2d(BatchNorm, nn.BatchNorm2d):
    """Batch normalization of (N, C, H, W); arguments and errors are those of `BatchNorm`."""


class BatchNorm3d(BatchNorm, nn.BatchNorm3d):
    """Batch normalization of (N, C, D, H, W); arguments and errors are those of `BatchNorm`."""
