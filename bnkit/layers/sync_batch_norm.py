"""Batch normalization over a batch that several processes share, each holding a part of it.

With few examples a process, each would normalize by poor statistics of its own. Here the processes
tell each other what they have, through `torch.distributed`: on the way forward a count, a mean and
a sum of squares per channel, on the way back two sums per channel. The result is that of one BN on
the joined batch, whatever the shares, and an empty one is as good as any.

No process may wait for a message that another never sends. So each makes the same calls in the same
order: one on the way forward, one on the way back, whatever its share is and whatever is refused.
"""

from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch import distributed as dist

from bnkit.layers.batch_norm import BatchNorm
from bnkit.layers.functional import Statistics, all_but_channel, computing_dtype, like, num_values


class Moments(NamedTuple):
    """What a process has to say about its share, in float64: it is little, and rounds to nothing.

    Of an empty share all are zero.
    """

    count: Tensor  # () values per channel
    mean: Tensor  # (C,)
    squares: Tensor  # (C,) sum of squared distances from the mean


def moments(x: Tensor) -> Moments:
    """Those of x (N, C, *spatial), N >= 0, in two passes: nothing cancels."""
    x, axes = x.double(), all_but_channel(x)
    count = torch.tensor(float(num_values(x)), dtype=x.dtype, device=x.device)
    mean = x.sum(axes) / count.clamp(min=1.0)
    return Moments(count, mean, (x - like(x, mean)).square().sum(axes))


def merged(a: Moments, b: Moments) -> Moments:
    """Those of both shares together: the pairwise formula of Chan, Golub & LeVeque (1983).

    The squares are those within the shares and that between their means. A sum of squares less a
    squared mean would say the same on paper and lose it in rounding; and where both means are
    equal, so is the merged one, to the last bit.
    """
    count = a.count + b.count
    if count == 0:
        return a
    share = b.count / count
    between = b.mean - a.mean
    return Moments(
        count,
        a.mean + share * between,
        a.squares + b.squares + share * a.count * between.square(),
    )


def gathered(values: Tensor, group: Any) -> tuple[Tensor, ...]:
    """The tensors that all processes brought, in order of rank: for each process the same."""
    parts = [torch.empty_like(values) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, values, group=group)
    return tuple(parts)


@torch.no_grad()
def joined_moments(x: Tensor, group: Any = None) -> Moments:
    """Those of the joined batch, of which x is this process's share. One call to all processes."""
    count, mean, squares = moments(x)
    shares = gathered(torch.cat([count.reshape(1), mean, squares]), group)
    joined, *others = (Moments(share[0], *share[1:].reshape(2, -1)) for share in shares)
    for share in others:
        joined = merged(joined, share)
    return joined


def rounded(joined: Moments, eps: float, dtype: torch.dtype) -> Statistics:
    """Statistics from which x is measured in its own dtype, in units of the standard deviation."""
    var_biased = joined.squares / joined.count.clamp(min=1.0)
    center, scale = joined.mean.to(dtype), (var_biased + eps).sqrt().to(dtype)
    offset, variance = (joined.mean - center) / scale, var_biased / scale.double().square()
    return Statistics(center, scale, offset.to(dtype), variance.to(dtype))


class _Normalize(torch.autograd.Function):
    """(x, gamma, beta, eps, group, num_joined, statistics) -> y, this process's share."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gamma: Tensor,
        beta: Tensor,
        eps: float,
        group: Any,
        num_joined: float,
        *statistics: Tensor,
    ) -> Tensor:
        inv_std = Statistics(*statistics).inv_std(eps)
        x_hat = Statistics(*statistics).measure(x) * like(x, inv_std)
        ctx.group, ctx.num_joined, ctx.inv_std = group, num_joined, inv_std
        ctx.save_for_backward(x, gamma, *statistics)
        return (x_hat * like(x, gamma) + like(x, beta)).to(x.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, gamma, *saved = ctx.saved_tensors
        statistics, axes = Statistics(*saved), all_but_channel(x)
        x_hat = statistics.measure(x) * like(x, ctx.inv_std)
        own = torch.stack([dy.double().sum(axes), (dy * x_hat).double().sum(axes)])  # (2, C)
        dbeta, dgamma = own.to(gamma.dtype)

        # The two means that the gradient of BN subtracts are over the joined batch: each example
        # moves mean and variance for the examples of all processes.
        together = sum(gathered(own, ctx.group)) / max(ctx.num_joined, 1.0)
        mean_dy, mean_dy_x_hat = together.to(gamma.dtype)
        gain = gamma * ctx.inv_std / statistics.scale
        dx = like(x, gain) * (dy - like(x, mean_dy) - x_hat * like(x, mean_dy_x_hat))
        return dx.to(x.dtype), dgamma, dbeta, *[None] * (3 + len(saved))


class SyncBatchNorm(BatchNorm):
    """Batch normalization by the statistics of a batch that all processes of a group share.

    In training mode every process of the group has to call the layer, and to go backward through
    it, the same number of times, each with a share (N, C, *spatial) of any N >= 0. Output, gradient
    of the input and running statistics are those of BN on the joined batch: the gradient is that of
    the *sum* of the losses of all processes. The gradients of gamma and beta are those of this
    share alone, as with torch's layer; added over the processes they are those of the joined batch.
    (DistributedDataParallel takes their mean, which belongs to the mean of the losses.)

    Where no process group is initialized, in a group of one, and in evaluation mode it is plain BN
    and sends nothing. It runs on any device that the group's backend serves, on a CPU by "gloo";
    torch's own `SyncBatchNorm` demands a GPU. Differentiable once.

    Args:
        num_features: C, the number of channels.
        eps: added to the variance, in units of x squared.
        momentum: weight of the new batch in the running statistics; None: the plain mean.
        affine: whether gamma (`weight`) and beta (`bias`) are learned.
        track_running_stats: whether there are running statistics.
        process_group: the processes that share a batch; all of them if absent.
        device: of parameters and buffers.
        dtype: of parameters and buffers.
        bias: whether there is a beta, if affine.
        backend: as in `BatchNorm`, for where it is plain BN.

    Raises:
        ValueError: in `forward`, in all processes: a single value per channel in the joined batch.
            A batch without any value changes nothing. Everything else as in `BatchNorm`, in the
            process whose input is wrong; what the others then wait for ends with the group's
            timeout.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
        backend: str = "torch",
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype,
            bias=bias, backend=backend,
        )  # fmt: skip
        self.process_group = process_group

    @classmethod
    def convert_sync_batchnorm(cls, module: nn.Module, process_group: Any = None) -> nn.Module:
        """The module with each BN in it, torch's or ours, replaced by one of this class.

        Parameters and buffers are the same tensors as before, so that an optimizer still finds
        them; eps, momentum, mode and names stay. A BN comes back as its replacement.
        """
        kind = nn.modules.batchnorm._BatchNorm
        twins = {
            bn: cls._twin(bn, process_group) for bn in module.modules() if isinstance(bn, kind)
        }
        for path, child in list(module.named_modules(remove_duplicate=False)):
            if path and child in twins:
                parent, _, name = path.rpartition(".")
                setattr(module.get_submodule(parent), name, twins[child])
        return twins.get(module, module)

    @classmethod
    def _twin(cls, bn: nn.Module, process_group: Any) -> Self:
        sizes = bn.num_features, bn.eps, bn.momentum, bn.affine, bn.track_running_stats
        twin = cls(*sizes, process_group, backend=getattr(bn, "backend", "torch"))
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            setattr(twin, name, getattr(bn, name))
        twin.training = bn.training
        return twin

    def forward(self, input: Tensor) -> Tensor:
        """Y with the shape and dtype of the input (N, C, *spatial), N >= 0."""
        if not (self.training and _in_company(self.process_group)):
            return super().forward(input)
        self._check_input_dim(input)
        self._check_values(input, by_batch=True)
        joined = joined_moments(input, self.process_group)
        total = int(joined.count)
        self._check_number(total, input)  # in all processes alike: none is left waiting

        dtype = computing_dtype(input)
        ones = input.new_ones(self.num_features, dtype=dtype)
        gamma = ones if self.weight is None else self.weight.to(dtype)
        beta = torch.zeros_like(ones) if self.bias is None else self.bias.to(dtype)
        statistics = rounded(joined, self.eps, dtype)
        if self.track_running_stats and self.running_mean is not None and total > 0:
            self._track(statistics, total)
        return _Normalize.apply(
            input, gamma, beta, self.eps, self.process_group, float(total), *statistics
        )

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")


def _in_company(group: Any) -> bool:
    """Whether there is anybody to share a batch with."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size(group) > 1
