import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from bnkit.layers import functional
from bnkit.reference import batch_norm_backward, batch_norm_forward

from .cases import CASES, FEW_CASES, FORWARD_MODE, exact

pytestmark = FORWARD_MODE


def parameters(num_channels):
    gamma = torch.linspace(-1.5, 2.0, num_channels, dtype=torch.float64, requires_grad=True)
    beta = torch.linspace(3.0, -1.0, num_channels, dtype=torch.float64, requires_grad=True)
    return gamma, beta


def test_two_points_by_pencil():
    # mean 2, biased variance 1 -> (-1, +1); gamma 10, beta 5 -> (-5, 15)
    x = torch.tensor([[1.0], [3.0]])
    y = functional.batch_norm(x, torch.tensor([10.0]), torch.tensor([5.0]))
    torch.testing.assert_close(y, torch.tensor([[-5.0], [15.0]]), rtol=0, atol=0)


@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_those_of_the_reference(case, eps):
    x, dy = case.batch().requires_grad_(), case.batch(seed=1)
    gamma, beta = parameters(case.shape[1])
    y = functional.batch_norm(x, gamma, beta, eps)
    y.backward(dy)
    arrays = (t.detach().numpy() for t in (x, gamma, beta))
    expected, cache = batch_norm_forward(*arrays, eps)
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-12, atol=1e-12)
    for ours, theirs in zip((x, gamma, beta), batch_norm_backward(dy.numpy(), cache), strict=True):
        # the smallest batches have gradients that cancel to rounding: relative to their terms
        np.testing.assert_allclose(ours.grad.numpy(), theirs, rtol=1e-9, atol=1e-11)


def test_none_stands_for_a_scale_of_one_and_a_shift_of_zero():
    x = CASES[2].batch()
    one, zero = torch.ones(3, dtype=x.dtype), torch.zeros(3, dtype=x.dtype)
    expected = functional.batch_norm(x, one, zero, 1e-3)
    torch.testing.assert_close(functional.batch_norm(x, None, None, 1e-3), expected)
    torch.testing.assert_close(functional.batch_norm(x, one, None, 1e-3), expected)
    torch.testing.assert_close(functional.batch_norm(x, None, zero, 1e-3), expected)


@pytest.mark.parametrize("case", FEW_CASES, ids=str)
def test_first_and_second_derivatives_are_slopes(case):
    x = case.batch().requires_grad_()
    inputs = (x, *parameters(case.shape[1]))

    def normalized(x, gamma, beta):
        return functional.batch_norm(x, gamma, beta, eps=0.0)

    assert gradcheck(normalized, inputs, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(normalized, inputs, check_fwd_over_rev=True)


def test_with_eps_zero_the_output_forgets_scale_and_shift_of_the_input_exactly():
    # powers of two and integers, so that not even a rounding is left
    x = torch.tensor([[1.0], [2.0], [4.0], [9.0]])
    y = functional.batch_norm(x, None, None)
    torch.testing.assert_close(functional.batch_norm(1024 * x + 64, None, None), y, rtol=0, atol=0)


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1.0, 1e10, 1e30])
def test_float32_neither_overflows_nor_underflows(scale):
    x = CASES[5].batch(mean=0.0, std=1.0)
    y = functional.batch_norm((x * scale).float(), None, None)
    np.testing.assert_allclose(y.numpy(), exact(x, eps=0.0)[0], rtol=0, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    x = CASES[5].batch(dtype=dtype, mean=100.0)
    y = functional.batch_norm(x, None, None, 1e-5)
    assert y.dtype == dtype
    # so that only the rounding of the result is left
    torch.testing.assert_close(y, torch.tensor(exact(x)[0]).to(dtype), rtol=0, atol=0)


def test_a_constant_channel_with_eps_zero_is_not_a_number():
    x = torch.tensor([[1.0, 5.0], [2.0, 5.0]])
    y = functional.batch_norm(x, None, None)
    assert y[:, 1].isnan().all()
    assert y[:, 0].isfinite().all()


def test_given_statistics_are_used_as_they_are():
    # (3 - 1) / sqrt(3 + 1) = 1, times 5 plus 7
    x = torch.tensor([[3.0], [1.0]])
    arguments = (torch.tensor([v]) for v in (1.0, 3.0, 5.0, 7.0))
    y = functional.normalize_with(x, *arguments, eps=1.0)
    torch.testing.assert_close(y, torch.tensor([[12.0], [7.0]]), rtol=0, atol=0)


def test_statistics_are_mean_and_biased_variance_and_have_derivatives():
    x = CASES[5].batch().requires_grad_()
    _, statistics = functional.batch_norm_with_statistics(x, None, None, 1e-5)
    _, mean, var_biased = exact(x)
    np.testing.assert_allclose(statistics.mean.detach().numpy(), mean, rtol=1e-14)
    np.testing.assert_allclose(statistics.var_biased.detach().numpy(), var_biased, rtol=1e-13)

    # d mean / dx = 1 / n and d var / dx = 2 (x - mean) / n, with n = 3 * 4 * 5
    (dmean,) = torch.autograd.grad(statistics.mean.sum(), x, retain_graph=True)
    (dvar,) = torch.autograd.grad(statistics.var_biased.sum(), x)
    centered = x.detach().numpy() - mean.reshape(1, 2, 1, 1)
    np.testing.assert_allclose(dmean.numpy(), 1 / 60, rtol=1e-13)
    np.testing.assert_allclose(dvar.numpy(), 2 * centered / 60, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("x", "eps", "message"),
    [
        (torch.ones(3), 0.0, r"\(3,\).*\(N, C\)"),
        (torch.ones(1, 3), 0.0, r"\(1, 3\).*2 values per channel"),
        (torch.ones(1, 3, 1), 0.0, r"\(1, 3, 1\)"),
        (torch.ones(4, 3), -1.0, r"eps = -1.0"),
        (torch.ones(4, 3), float("nan"), "eps = nan"),
    ],
)
def test_what_cannot_be_normalized_is_refused(x, eps, message):
    with pytest.raises(ValueError, match=message):
        functional.batch_norm(x, None, None, eps)
