"""One step of gradient descent on a `StackedMLP`, forward and backward written out in NumPy.

A sweep of a small net is a million tiny operations, and what automatic differentiation adds to
each of them costs more than most of the operations. Here each layer keeps one array for its output
and one for the gradient on the way back, works in them in place, and updates the memory of the
torch module itself: probes look at that module at any step. The formulas are those of
`bnkit.reference`; the tests hold every step against torch's own differentiation.

All arrays are (K, C, N): K seeds, C features, N examples. A seed's numbers do not depend on which
others are in the stack.
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from bnkit.models.activations import Elu, Sigmoid, StackedPReLU
from bnkit.models.stacked_dropout import StackedDropout
from bnkit.models.stacked_mlp import (
    GROUP,
    StackedBatchNorm,
    StackedGroupNorm,
    StackedLayerNorm,
    StackedLinear,
    StackedMLP,
)

Array = np.ndarray


class Part(Protocol):
    """A piece of the network that knows both directions."""

    def forward(self, x: Array) -> Array:
        """The output; it may overwrite `x`, and is valid until the next step."""

    def backward(self, dy: Array, rate: float) -> Array:
        """The loss's gradient by the input, from that by the output; then the update."""


class StackedStep:
    """The step, for `bnkit.train.train(step=...)`.

    Args:
        model: BN, group or layer normalization or none; dropout or none; float32 or float64 on
            the CPU. ValueError for another normalizer or a nonlinearity that has no part here.
    """

    def __init__(self, model: StackedMLP) -> None:
        if model.norm not in ("none", "batch", "group", "layer"):
            raise ValueError(
                f"norm {model.norm!r} has no written-out step: choose none, batch, group or "
                "layer, or train without `step`"
            )
        self._norms = [norm for norm in model.norms if isinstance(norm, StackedBatchNorm)]
        self._parts: list[Part] = []
        for linear, norm, activation, dropout in zip(
            model.linears[:-1], model.norms, model.activations, model.dropouts, strict=True
        ):
            between = [*self._normalization(norm), *self._nonlinearity(activation)]
            self._parts += [_Linear(linear, first=not self._parts)]
            self._parts += between if model.placement == "before" else reversed(between)
            self._parts += [_Dropout(dropout)] if isinstance(dropout, StackedDropout) else []
        self._head = _Linear(model.linears[-1], first=not self._parts)

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """(K,) mean cross-entropies in nats, before the step, of (K, N, D) and (K, N) labels."""
        for norm in self._norms:
            norm.bn.num_batches_tracked.add_(1)
        with np.errstate(all="ignore"):  # a diverged seed is a result
            h = inputs.numpy().transpose(0, 2, 1)
            for part in self._parts:
                h = part.forward(h)
            losses, d = _cross_entropy(self._head.forward(h), targets.numpy())
            d = self._head.backward(d, rate)
            for part in reversed(self._parts):
                d = part.backward(d, rate)
        return torch.from_numpy(losses)

    @staticmethod
    def _normalization(norm: nn.Module) -> list[Part]:
        if isinstance(norm, StackedLayerNorm):
            return [_GroupNorm(norm)]
        return [_BatchNorm(norm)] if isinstance(norm, StackedBatchNorm) else []

    @staticmethod
    def _nonlinearity(activation: nn.Module) -> list[Part]:
        parts: dict[type, list[Part]] = {
            Sigmoid: [_Sigmoid()],
            nn.Tanh: [_Tanh()],
            nn.ReLU: [_Relu()],
            nn.LeakyReLU: [_Leaky(0.01)],
            Elu: [_Elu()],
            nn.Identity: [],
        }
        if isinstance(activation, StackedPReLU):
            return [_PRelu(activation)]
        if type(activation) not in parts:
            raise ValueError(f"{activation} has no written-out step: train without `step`")
        return parts[type(activation)]


def _cross_entropy(logits: Array, targets: Array) -> tuple[Array, Array]:
    """(K,) mean losses and their gradient, in place of the (K, classes, N) logits."""
    num_examples = targets.shape[1]
    at_target = np.arange(len(targets))[:, None], targets, np.arange(num_examples)
    logits -= logits.max(axis=1, keepdims=True)
    of_target = logits[at_target]
    exponentials = np.exp(logits, out=logits)
    sums = exponentials.sum(axis=1)
    losses = (np.log(sums) - of_target).mean(axis=1)
    exponentials /= sums[:, None]
    exponentials[at_target] -= 1
    exponentials /= num_examples
    return losses, exponentials


class _Linear:
    """y = W x + b, W of shape (K, out, in)."""

    def __init__(self, module: StackedLinear, *, first: bool) -> None:
        self._module, self._first = module, first
        self._y = self._dx = self._dw = np.empty(0)

    def forward(self, x: Array) -> Array:
        weight = _memory(self._module.weight)
        if self._y.shape != (len(x), weight.shape[1], x.shape[2]):
            self._y = np.empty((len(x), weight.shape[1], x.shape[2]), x.dtype)
            self._dx, self._dw = np.empty(x.shape, x.dtype), np.empty_like(weight)
        self._x = x
        np.matmul(weight, x, out=self._y)
        if self._module.bias is not None:
            self._y += _memory(self._module.bias)
        return self._y

    def backward(self, dy: Array, rate: float) -> Array:
        weight = _memory(self._module.weight)
        if not self._first:  # nobody asks for the gradient by the examples
            np.matmul(weight.transpose(0, 2, 1), dy, out=self._dx)
        dy *= rate  # here and not in the gradient, which has many more elements
        weight -= np.matmul(dy, self._x.transpose(0, 2, 1), out=self._dw)
        if self._module.bias is not None:
            _memory(self._module.bias)[...] -= _sums(dy)
        return self._dx


class _BatchNorm:
    """Ioffe & Szegedy (2015), algorithm 1 and its backward pass, statistics over N."""

    def __init__(self, module: StackedBatchNorm) -> None:
        self._bn = module.bn
        self._x_hat = self._y = np.empty(0)

    def forward(self, x: Array) -> Array:
        if self._y.shape != x.shape:
            self._x_hat, self._y = np.empty_like(x), np.empty_like(x)
        num_examples = x.shape[2]
        mean = _sums(x) / num_examples
        x_hat = np.subtract(x, mean, out=self._x_hat)
        var_biased = _dots(x_hat, x_hat) / num_examples
        self._track(mean, var_biased * (num_examples / (num_examples - 1)))
        self._inverse = 1 / np.sqrt(var_biased + self._bn.eps)
        x_hat *= self._inverse
        if not self._bn.affine:
            np.copyto(self._y, x_hat)
            return self._y
        gamma, beta = (_memory(p).reshape(mean.shape) for p in (self._bn.weight, self._bn.bias))
        np.multiply(x_hat, gamma, out=self._y)
        self._y += beta
        return self._y

    def backward(self, dy: Array, rate: float) -> Array:
        num_examples = dy.shape[2]
        dbeta, dgamma = _sums(dy), _dots(dy, self._x_hat)
        dy -= dbeta / num_examples
        dy -= np.multiply(self._x_hat, dgamma / num_examples, out=self._y)
        if not self._bn.affine:
            dy *= self._inverse
            return dy
        gamma, beta = (_memory(p).reshape(dbeta.shape) for p in (self._bn.weight, self._bn.bias))
        dy *= gamma * self._inverse
        gamma -= rate * dgamma
        beta -= rate * dbeta
        return dy

    def _track(self, mean: Array, var_unbiased: Array) -> None:
        running_rate = self._bn.momentum  # torch's momentum: the weight of the new batch
        for running, new in (
            (self._bn.running_mean, mean),
            (self._bn.running_var, var_unbiased),
        ):
            memory = _memory(running).reshape(new.shape)
            memory += running_rate * (new - memory)


class _GroupNorm:
    """Wu & He (2018), statistics of each example over groups of features, or all in one group."""

    def __init__(self, module: StackedLayerNorm) -> None:
        self._module = module
        self._size = GROUP if isinstance(module, StackedGroupNorm) else -1  # features; -1: all

    def forward(self, x: Array) -> Array:
        groups = self._groups(x)
        centered = groups - groups.mean(axis=2, keepdims=True)
        var_biased = np.square(centered).mean(axis=2, keepdims=True)
        self._inverse = 1 / np.sqrt(var_biased + x.dtype.type(self._module.eps))
        self._x_hat = (centered * self._inverse).reshape(x.shape)
        if self._module.weight is None:
            return self._x_hat.copy()
        return self._x_hat * _memory(self._module.weight) + _memory(self._module.bias)

    def backward(self, dy: Array, rate: float) -> Array:
        if self._module.weight is not None:
            gamma, beta = _memory(self._module.weight), _memory(self._module.bias)
            dbeta, dgamma = _sums(dy), _dots(dy, self._x_hat)
            dy = dy * gamma
            gamma -= rate * dgamma
            beta -= rate * dbeta
        d, x_hat = self._groups(dy), self._groups(self._x_hat)
        along = (d * x_hat).mean(axis=2, keepdims=True)
        dx = self._inverse * (d - d.mean(axis=2, keepdims=True) - x_hat * along)
        return dx.reshape(dy.shape)

    def _groups(self, x: Array) -> Array:
        """(K, C, N) -> (K, groups, features, N)."""
        size = x.shape[1] if self._size < 0 else self._size
        return x.reshape(len(x), -1, size, x.shape[2])


class _Dropout:
    """Outputs of the layer times a mask that is drawn anew."""

    def __init__(self, module: StackedDropout) -> None:
        self._module = module
        self._y = np.empty(0)

    def forward(self, x: Array) -> Array:
        self._mask = self._module.next_mask(*x.shape[1:])
        if self._y.shape != x.shape:
            self._y = np.empty_like(x)
        return np.multiply(x, self._mask, out=self._y)  # x is still needed on the way back

    def backward(self, dy: Array, rate: float) -> Array:
        dy *= self._mask
        return dy


class _Sigmoid:
    """1 / (1 + exp(-x)), in place."""

    def forward(self, x: Array) -> Array:
        np.exp(np.negative(x, out=x), out=x)
        x += 1
        self._y = np.reciprocal(x, out=x)
        return self._y

    def backward(self, dy: Array, rate: float) -> Array:
        dy *= self._y
        dy *= np.subtract(1, self._y, out=self._y)
        return dy


class _Tanh:
    """tanh(x), in place."""

    def forward(self, x: Array) -> Array:
        self._y = np.tanh(x, out=x)
        return self._y

    def backward(self, dy: Array, rate: float) -> Array:
        self._y *= self._y
        dy *= np.subtract(1, self._y, out=self._y)
        return dy


class _Relu:
    """max(x, 0), in place; its slope at 0 is 0, as torch's."""

    def forward(self, x: Array) -> Array:
        self._y = np.maximum(x, 0, out=x)
        return self._y

    def backward(self, dy: Array, rate: float) -> Array:
        dy *= self._y > 0
        return dy


class _Leaky:
    """max(x, a x) for 0 < a < 1, in place."""

    def __init__(self, slope: float) -> None:
        self._slope = slope

    def forward(self, x: Array) -> Array:
        self._y = np.maximum(x, x * x.dtype.type(self._slope), out=x)
        return self._y

    def backward(self, dy: Array, rate: float) -> Array:
        np.multiply(dy, dy.dtype.type(self._slope), out=dy, where=self._y <= 0)
        return dy


class _Elu:
    """x, and exp(x) - 1 where it is negative; in place."""

    def forward(self, x: Array) -> Array:
        below = np.expm1(np.minimum(x, 0))
        self._y = np.where(x > 0, x, below)
        return self._y

    def backward(self, dy: Array, rate: float) -> Array:
        dy *= np.minimum(self._y, 0) + 1  # the derivative below 0 is exp(x)
        return dy


class _PRelu:
    """x, and a x where it is negative, with a slope of each unit that is learned."""

    def __init__(self, module: StackedPReLU) -> None:
        self._module = module

    def forward(self, x: Array) -> Array:
        self._x, self._is_below = x, x <= 0
        return np.where(self._is_below, _memory(self._module.weight) * x, x)

    def backward(self, dy: Array, rate: float) -> Array:
        slope = _memory(self._module.weight)
        of_slope = _dots(dy, np.where(self._is_below, self._x, 0))
        dy *= np.where(self._is_below, slope, 1)
        slope -= rate * of_slope
        return dy


def _memory(tensor: Tensor) -> Array:
    """The tensor's own memory: what is written there is written into the module."""
    return tensor.detach().numpy()


def _sums(x: Array) -> Array:
    """Over the examples: (K, C, N) -> (K, C, 1)."""
    return np.matmul(x, np.ones((x.shape[2], 1), x.dtype))  # four times as fast as x.sum(axis=2)


def _dots(a: Array, b: Array) -> Array:
    """Sums of products over the examples: (K, C, 1)."""
    return np.einsum("kcn,kcn->kc", a, b)[:, :, None]
