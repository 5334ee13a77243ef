"""How large a rate does a plain net bear, if updates leave later layers' moments where they were?

One reading of internal covariate shift, from a tutorial on training a small ResNet fast (Page,
2019): an update of early layers shifts the means and variances of every later layer's channels,
that pull makes the loss sharp, and batch normalization removes it. Here nothing but that pull is
removed, in two places.

After each step the layers are gone through in order: with its own new weights and the layers before
it as they were, each channel has a mean and a variance on the batch; then the layers before it take
their new values, and the row of weights and the bias of the channel are scaled and shifted so that
it has that mean and variance again. Before the step, the gradient that a layer hands to those
before it loses the same two directions, as in the backward pass of BN; a layer's own gradient is
whole. Otherwise the layers before would push on for ever against what is undone (the chapter's
example of a bias that grows without end), which is what the arm "none-undone" does.

A layer's own weights move its moments as they like, shapes and correlations are free, and the net
stays a plain one. It is a net of ReLUs: a sigmoid net stays finite at any rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from bnkit.data import load
from bnkit.models import StackedMLP, StackedStep
from bnkit.models.stacked_mlp import StackedLinear
from bnkit.probes import Evaluation
from bnkit.rows import Row
from bnkit.train import TakeStep, at, cross_entropy, stacked_batches, train


@dataclass(frozen=True, kw_only=True)
class MomentPreservingUpdates:
    """One arm of the comparison. The rate is not tuned: it is what is measured."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    # What the layers before do to the mean and variance of a hidden layer's channels: it is left,
    # undone after each step, or undone and out of the gradient.
    pull: Literal["left", "undone", "removed"] = "left"
    # Fixed: the verdict holds for these values only, and the chapter says so.
    first_rate: float = 1e-3
    num_rates: int = 41
    rates_per_decade: int = 8
    num_steps: int = 300
    data_set: str = "mnist"
    depth: int = 8  # hidden layers
    width: int = 100
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "he"
    batch_size: int = 60  # examples per step, also the set that BN and the moments average over
    num_loss_examples: int = 2_000  # of the training split, whose loss says what is stable

    version: ClassVar[int] = 1  # bump when run() starts to compute something else

    @property
    def rates(self) -> list[float]:
        """The grid, ascending."""
        return [
            float(f"{self.first_rate * 10 ** (i / self.rates_per_decade):.3g}")
            for i in range(self.num_rates)
        ]


NONE = MomentPreservingUpdates(norm="none")
ARMS = {
    "none": NONE,
    "none-projected": replace(NONE, pull="removed"),
    "none-undone": replace(NONE, pull="undone"),
    "batch": replace(NONE, norm="batch"),
}
STACK = 5


def run(
    spec: MomentPreservingUpdates, seeds: Sequence[int], progress: str | None = None
) -> list[Row]:
    """Train one net per seed and rate.

    A rate is stable if the loss after the last step is below half of the one before the first, on
    examples of the training split and, with BN, with their statistics.

    Returns:
        At the last step "loss_share@rate", the last loss over the first; and "largest_stable_rate",
        that of the first unbroken row of stable rates, from the smallest one that is stable: lower
        ones are only slow, and what may be stable again beyond a rate that is not does not count.
        It is 0 where no rate is stable, and "grid_ends" is 1 where it is the last of the grid.
    """
    shares = {rate: _loss_shares(spec, seeds, rate, progress) for rate in spec.rates}
    rows = []
    for index, seed in enumerate(seeds):
        of_seed = {rate: found[index] for rate, found in shares.items()}
        largest = largest_stable_rate(of_seed)
        found = {f"loss_share@{rate:g}": share for rate, share in of_seed.items()}
        found |= {"largest_stable_rate": largest, "grid_ends": float(largest == spec.rates[-1])}
        rows += [Row(seed, spec.num_steps, name, value, "1") for name, value in found.items()]
    return rows


def largest_stable_rate(shares: dict[float, float]) -> float:
    """The last of the first unbroken row of rates whose share of the loss is below one half.

    >>> largest_stable_rate({0.1: 0.9, 0.2: 0.4, 0.4: 0.3, 0.8: 5.0, 1.6: 0.4})
    0.4
    """
    largest = 0.0
    for rate in sorted(shares):
        if shares[rate] < 0.5:
            largest = rate
        elif largest > 0:
            break
    return largest


def _loss_shares(
    spec: MomentPreservingUpdates, seeds: Sequence[int], rate: float, progress: str | None
) -> list[float]:
    """Last loss over first loss of each seed at one rate; infinite if it diverged."""
    data = load(spec.data_set)
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    num = spec.num_loss_examples
    loss = Evaluation("train", x[:num], y[:num], data.num_classes, bn_mode="batch", chunk=num)
    model = StackedMLP(
        (x.shape[1], *[spec.width] * spec.depth, data.num_classes),
        seeds,
        norm=spec.norm,
        activation="relu",
        init=spec.init,
    )
    rows = train(
        model,
        stacked_batches(x, y, batch_size=spec.batch_size, seeds=seeds),
        seeds=seeds,
        rate=rate,
        num_steps=spec.num_steps,
        step=_step(model, spec.pull),
        probes=[(at([0, spec.num_steps]), loss)],
        progress=progress and f"{progress} {rate:g}",
    )
    losses = {(row.seed, row.step): row.value for row in rows if row.name == "train_loss"}
    return [losses[seed, spec.num_steps] / losses[seed, 0] for seed in seeds]


def _step(model: StackedMLP, pull: str) -> TakeStep:
    if pull == "left":
        return StackedStep(model)
    return MomentPreservingStep(model, blocked=pull == "removed")


class MomentPreservingStep:
    """A step of gradient descent on all layers, less what it does to later hidden layers' moments.

    For `train(step=...)`.

    Args:
        model: ReLUs, biases and no normalizer.
        blocked: take the gradient that knows of it.
    """

    def __init__(self, model: StackedMLP, *, blocked: bool) -> None:
        self._linears = [each for each in model.linears if isinstance(each, StackedLinear)]
        self._parameters = list(model.parameters())
        self._blocked = blocked

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """(K,) losses before the step."""
        layer_inputs, logits = self._forward(inputs.transpose(1, 2))
        losses = cross_entropy(logits.transpose(1, 2), targets)
        gradients = torch.autograd.grad(losses.sum(), self._parameters)
        with torch.no_grad():
            for parameter, gradient in zip(self._parameters, gradients, strict=True):
                parameter.sub_(gradient, alpha=rate)
            self._restore_moments(layer_inputs)
        return losses.detach()

    def _forward(self, h: Tensor) -> tuple[list[Tensor], Tensor]:
        """The inputs of all hidden layers, (K, in, N) each, and the logits, (K, out, N)."""
        inputs = []
        for index, linear in enumerate(self._linears[:-1]):
            inputs.append(h.detach())
            if self._blocked and index > 0:
                z = BlockedLinear.apply(h, linear.weight, linear.bias)  # type: ignore[no-untyped-call]
            else:
                z = linear(h)
            h = torch.relu(z)
        return inputs, self._linears[-1](h)

    def _restore_moments(self, before: Sequence[Tensor]) -> None:
        """Scale and shift each hidden layer behind the first; the layers before it are done."""
        h = before[0]
        for index, (linear, old) in enumerate(zip(self._linears[:-1], before, strict=True)):
            z = linear(h)  # (K, C, N), own weights and layers before are new
            if index > 0:
                wanted = linear(old)  # own weights are new, layers before are old
                std, mean = torch.std_mean(z, dim=2, correction=0, keepdim=True)
                wanted_std, wanted_mean = torch.std_mean(wanted, dim=2, correction=0, keepdim=True)
                # A channel that is constant has no spread to restore; its mean is.
                factor = torch.where(std > 0, wanted_std / std, 1.0)
                linear.weight.mul_(factor)
                assert linear.bias is not None
                linear.bias.sub_(mean).mul_(factor).add_(wanted_mean)
                z = (z - mean) * factor + wanted_mean
            h = torch.relu(z)


class BlockedLinear(torch.autograd.Function):
    """z = W h + b, whose gradient by h knows that z will have the mean and variance that it has.

    By h it is that of σ x_hat + μ, where x_hat is z normalized over the batch and μ and σ are
    constants: the closed form of Ioffe & Szegedy (2015), section 3, with γ = σ. By W and b it is
    the usual one.
    """

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(K, in, N), (K, C, in) and (K, C, 1) to (K, C, N)."""
        z = torch.baddbmm(bias, weight, h)
        ctx.save_for_backward(h, weight, z)
        return z

    @staticmethod
    def backward(ctx: Any, dz: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients by h, W and b."""
        h, weight, z = ctx.saved_tensors
        centered = z - z.mean(dim=2, keepdim=True)
        variance = centered.square().mean(dim=2, keepdim=True)
        along = (dz * centered).mean(dim=2, keepdim=True)
        share = torch.where(variance > 0, along / variance, 0.0)
        free = dz - dz.mean(dim=2, keepdim=True) - centered * share
        own = torch.bmm(dz, h.transpose(1, 2)), dz.sum(dim=2, keepdim=True)
        return torch.bmm(weight.transpose(1, 2), free), *own
