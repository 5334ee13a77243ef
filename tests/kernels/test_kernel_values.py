"""What the kernels compute, beside NumPy in float64, in every layout and division of the work."""

import pytest

pytest.importorskip("triton", reason="the kernels need Triton: pip install triton")

import numpy as np
import torch

from bnkit import kernels
from bnkit.kernels import plan, tiles

from .cases import (
    EPS,
    SHAPES,
    TOLERANCE,
    assert_near,
    batch,
    channels_last,
    divide,
    exact,
    is_split,
    parameters,
)

every_way = pytest.mark.parametrize("way", ["whole", "split"])
every_layout = pytest.mark.parametrize("layout", [torch.Tensor.contiguous, channels_last])


def check(x, dy, *, relu=False, residual=None, tolerance=None):
    """Values and all gradients against the exact ones."""
    tolerance = TOLERANCE[x.dtype] if tolerance is None else tolerance
    gamma, beta = parameters(x.shape[1])
    inputs = [t.clone().requires_grad_() for t in (x, gamma, beta)]
    inputs[0] = x.detach().requires_grad_()  # a clone may lie otherwise in memory
    if residual is not None:
        inputs.append(residual.detach().requires_grad_())
    y = kernels.batch_norm(
        *inputs[:3], eps=EPS, relu=relu, residual=None if residual is None else inputs[3]
    )
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    gradients = torch.autograd.grad(y, inputs, dy)
    expected = exact(x, gamma, beta, dy, residual, relu)
    for value, (correct, size) in zip((y, *gradients), expected, strict=False):
        assert_near(value, correct, size, tolerance)
    return y, gradients


@every_way
@every_layout
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_are_those_of_the_reference(shape, layout, way, monkeypatch):
    divide(monkeypatch, way)
    x, dy = layout(batch(shape)), layout(batch(shape, seed=1))
    assert is_split(x) == (way == "split")
    y, (dx, *_) = check(x, dy)
    for tensor in (y, dx):
        assert plan.is_channels_last(tensor) == plan.is_channels_last(x)
        assert tensor.is_contiguous() == x.is_contiguous()


@every_way
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype, way, monkeypatch):
    divide(monkeypatch, way)
    shape = (9, 3, 5, 3)
    x, dy = batch(shape, dtype=dtype, mean=300.0), batch(shape, seed=1, dtype=dtype)
    check(x, dy)


@every_way
@every_layout
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("relu", "with_residual"), [(True, False), (False, True), (True, True)])
def test_what_follows_is_fused_and_so_is_its_gradient(
    relu, with_residual, dtype, layout, way, monkeypatch
):
    divide(monkeypatch, way)
    shape = (19, 3, 5, 3)  # split: two programs for each block, of three tiles and of two
    x, dy, residual = (layout(batch(shape, s, dtype=dtype, mean=0.2)) for s in range(3))
    y, gradients = check(x, dy, relu=relu, residual=residual if with_residual else None)
    if relu:
        assert 0 < int((y == 0).sum()) < y.numel()
    if with_residual:
        passed = torch.where(y > 0, dy, 0.0) if relu else dy
        assert torch.equal(gradients[3], passed)


@every_way
def test_other_layouts_of_input_gradient_and_residual_change_nothing(way, monkeypatch):
    divide(monkeypatch, way)
    shape = (4, 3, 5, 6)
    x, residual = batch(shape), batch(shape, seed=2)
    wide = torch.zeros(*shape[:-1], 12)
    wide[..., ::2] = x
    for other in (wide[..., ::2], x.transpose(0, 3).contiguous().transpose(0, 3)):
        dy = torch.ones(()).expand(shape)  # the gradient of a sum has strides 0
        check(other, dy, relu=True, residual=channels_last(residual))
        check(channels_last(other), dy, relu=True, residual=residual)


# Precision


@every_way
@every_layout
@pytest.mark.parametrize("mean", [1e3, 1e5])
def test_a_large_mean_costs_the_variance_no_precision(mean, layout, way, monkeypatch):
    divide(monkeypatch, way)
    x = layout(batch((16, 3, 8, 8), mean=mean, std=1.0))
    y, (center, _, offset, var_biased) = kernels.batch_norm_with_statistics(x, None, None, EPS)
    wide = x.double()
    expected = wide.var((0, 2, 3), correction=0)
    assert ((var_biased - expected).abs() / expected).max() < 1e-6
    torch.testing.assert_close(center.double() + offset, wide.mean((0, 2, 3)), rtol=0, atol=1e-6)
    normalized = (wide - wide.mean((0, 2, 3), keepdim=True)) * torch.rsqrt(expected + EPS).view(
        1, -1, 1, 1
    )
    assert (y - normalized).abs().max() < 5e-6


@every_way
def test_a_first_value_far_from_all_others_costs_little(way, monkeypatch):
    # The center is the first value: measured from it, all others have a mean of -1000.
    divide(monkeypatch, way)
    x = batch((512, 3), mean=0.0, std=1.0)
    x[0] = 1000.0
    _, (*_, var_biased) = kernels.batch_norm_with_statistics(x, None, None, EPS)
    expected = x.double().var(0, correction=0)
    assert ((var_biased - expected).abs() / expected).max() < 1e-6


@every_way
@pytest.mark.parametrize("value", [0.0, 0.1, -1e3, 1e10, 1e30])
def test_a_constant_channel_gives_beta_exactly(value, way, monkeypatch):
    divide(monkeypatch, way)
    gamma, beta = parameters(3)
    y = kernels.batch_norm(torch.full((6, 3, 7, 5), value), gamma, beta)
    assert torch.equal(y, beta.view(1, 3, 1, 1).expand(y.shape))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of NumPy, which interprets
@every_way
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_bad_value_stays_in_its_channel(bad, way, monkeypatch):
    divide(monkeypatch, way)
    x = batch((8, 3, 5, 5))
    good = kernels.batch_norm(x.clone(), relu=True)
    x[3, 1, 2, 2] = bad
    y = kernels.batch_norm(x, relu=True)
    assert torch.isnan(y[:, 1]).any()
    assert torch.equal(y[:, ::2], good[:, ::2])


# Running statistics and evaluation


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # of NumPy, which interprets
@every_way
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_variance_that_the_buffer_cannot_hold_is_the_largest_finite_one(dtype, way, monkeypatch):
    divide(monkeypatch, way)
    mean, var = torch.zeros(3, dtype=dtype), torch.ones(3, dtype=dtype)
    x = batch((64, 3), mean=0.0, std=1.0)
    x[:, 1] *= 1e25  # squares beyond float32
    x[0, 2] = float("nan")
    kernels.batch_norm(
        x, running_mean=mean, running_var=var, running_rate=0.5, training=True, eps=EPS
    )
    expected = 0.5 + 0.5 * torch.finfo(dtype).max
    assert var[1].item() == pytest.approx(expected, rel=1e-2)
    assert var[0].item() == pytest.approx(0.5 + 0.5 * x[:, 0].var().item(), rel=1e-2)
    assert var[2].isnan()


@every_way
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_running_statistics_move_as_those_of_torch(dtype, way, monkeypatch):
    divide(monkeypatch, way)
    native = torch.nn.BatchNorm2d(3, momentum=0.3)
    mean, var = torch.zeros(3), torch.ones(3)
    for seed in range(3):
        x = batch((5, 3, 4, 4), seed, dtype=dtype)
        native(x.float())
        kernels.batch_norm(x, None, None, mean, var, running_rate=0.3)
    torch.testing.assert_close(mean, native.running_mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(var, native.running_var, rtol=1e-6, atol=1e-6)


@every_way
def test_two_values_have_an_unbiased_variance_twice_the_biased(way, monkeypatch):
    # 1 and 3: mean 2, biased variance 1, unbiased 2
    divide(monkeypatch, way)
    mean, var = torch.zeros(1), torch.ones(1)
    y = kernels.batch_norm(
        torch.tensor([[1.0], [3.0]]), None, None, mean, var, running_rate=1.0, eps=1e-12
    )
    assert (mean.item(), var.item()) == (2.0, 2.0)
    torch.testing.assert_close(y, torch.tensor([[-1.0], [1.0]]))


@every_way
@every_layout
@pytest.mark.parametrize("relu", [True, False])
def test_evaluation_uses_the_running_statistics_and_keeps_them(relu, layout, way, monkeypatch):
    divide(monkeypatch, way)
    x, dy = layout(batch((5, 3, 4, 4))), batch((5, 3, 4, 4), seed=1)
    gamma, beta = parameters(3)
    mean, var = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 1.0, 4.0])
    inputs = [t.detach().requires_grad_() for t in (x, gamma, beta)]
    y = kernels.batch_norm(*inputs, mean, var, training=False, relu=relu)
    gradients = torch.autograd.grad(y, inputs, dy)

    doubled = [t.detach().double().requires_grad_() for t in (x, gamma, beta)]
    expected = torch.nn.functional.batch_norm(
        doubled[0], mean.double(), var.double(), *doubled[1:], training=False
    )
    expected = expected.relu() if relu else expected
    for value, correct in zip(
        (y, *gradients), (expected, *torch.autograd.grad(expected, doubled, dy.double())),
        strict=True,
    ):  # fmt: skip
        correct = correct.detach().numpy()
        assert_near(value, correct, np.abs(correct).max(), 1e-6)
    assert (mean.tolist(), var.tolist()) == ([1.0, 2.0, 3.0], [0.5, 1.0, 4.0])


def test_training_between_an_evaluation_and_its_backward_pass_does_no_harm():
    x = batch((5, 3)).requires_grad_()
    mean, var = torch.zeros(3), torch.ones(3)
    y = kernels.batch_norm(x, None, None, mean, var, training=False)
    kernels.batch_norm(x.detach(), None, None, mean, var)
    (dx,) = torch.autograd.grad(y.sum(), x)
    assert_near(dx, np.full((5, 3), 1 / np.sqrt(1 + EPS)), 1.0, 1e-6)


# The offsets of tensors that no test can hold


@pytest.mark.parametrize("relu", [True, False])
def test_offsets_of_64_bits_give_the_same(relu, monkeypatch):
    divide(monkeypatch, "split")
    monkeypatch.setattr(plan, "WIDE", 1)
    x, dy = batch((8, 3, 7, 7)), batch((8, 3, 7, 7), seed=1)
    assert plan.runs(x).is_wide
    check(x, dy, relu=relu)
    check(channels_last(x), dy, relu=relu)


def test_one_program_per_channel_is_not_what_large_batches_get():
    for shape in [(256, 64, 56, 56), (65536, 1024), (64, 64, 512, 512), (4096, 1, 64, 64)]:
        x = torch.empty(shape, device="meta")
        for layout in (x, channels_last(x)):
            division = plan.split(plan.runs(layout), 4, tiles.MOMENTS)
            assert division.num_programs >= 512
