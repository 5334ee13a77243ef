"""The closed form against the computational graph, in one block, in many, and differentiated."""

import numpy as np
import pytest
import torch
from torch.autograd import forward_ad, gradcheck, gradgradcheck

from bnkit.layers import closed_form, functional, sweeps
from bnkit.reference import batch_norm_backward, batch_norm_forward

from .cases import CASES, FEW_CASES, FORWARD_MODE, Case, exact

pytestmark = FORWARD_MODE
EPS = 1e-2


@pytest.fixture(params=["plain", "one block", "many blocks"])
def _passes(request, monkeypatch):
    """The three ways in which a batch is passed over, all on batches of a test's size."""
    if request.param != "plain":
        monkeypatch.setattr(closed_form, "SMALL", 0)
    if request.param == "many blocks":
        monkeypatch.setattr(sweeps, "BLOCK", 12)  # one to twelve examples, and a remainder


def inputs(case, dtype=torch.float64):
    num_channels = case.shape[1]
    gamma = torch.linspace(-1.5, 2.0, num_channels, dtype=dtype)
    beta = torch.linspace(3.0, -1.0, num_channels, dtype=dtype)
    return [t.requires_grad_() for t in (case.batch(dtype=dtype), gamma, beta)]


def all_outputs(x, gamma, beta):
    y, statistics = closed_form.batch_norm(x, gamma, beta, EPS)
    return y, statistics.mean, statistics.var_biased


@pytest.mark.usefixtures("_passes")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_those_of_the_reference(case):
    tensors, dy = inputs(case), case.batch(seed=1)
    y, mean, var_biased = all_outputs(*tensors)
    y.backward(dy)
    x, gamma, beta = (t.detach().numpy() for t in tensors)
    expected, cache = batch_norm_forward(x, gamma, beta, EPS)
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mean.detach().numpy(), exact(tensors[0])[1], rtol=1e-14)
    np.testing.assert_allclose(var_biased.detach().numpy(), exact(tensors[0])[2], rtol=1e-13)
    for ours, theirs in zip(tensors, batch_norm_backward(dy.numpy(), cache), strict=True):
        np.testing.assert_allclose(ours.grad.numpy(), theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("_passes")
@pytest.mark.parametrize("case", FEW_CASES, ids=str)
def test_first_and_second_derivatives_of_all_outputs_are_slopes(case):
    assert gradcheck(all_outputs, inputs(case), check_forward_ad=True)
    assert gradgradcheck(all_outputs, inputs(case), check_fwd_over_rev=True)


def test_a_batch_of_gradients_can_be_taken_at_once():
    assert gradcheck(all_outputs, inputs(FEW_CASES[1]), check_batched_grad=True)
    assert gradgradcheck(all_outputs, inputs(FEW_CASES[1]), check_batched_grad=True)


def test_a_batch_of_gradients_of_a_large_batch_is_an_error_and_never_a_wrong_number(monkeypatch):
    monkeypatch.setattr(closed_form, "SMALL", 0)
    x, gamma, beta = inputs(FEW_CASES[1])
    directions = torch.stack([FEW_CASES[1].batch(seed=s) for s in range(2)])
    y, _ = closed_form.batch_norm(x, gamma, beta, EPS)
    with pytest.raises(RuntimeError, match="vmap"):
        torch.autograd.grad(y, x, directions, is_grads_batched=True)
    y, _ = functional.batch_norm_with_statistics(x, gamma, beta, EPS)
    (batched,) = torch.autograd.grad(y, x, directions, is_grads_batched=True, retain_graph=True)
    (single,) = torch.autograd.grad(y, x, directions[1])
    torch.testing.assert_close(batched[1], single, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("outer", [torch.func.jacrev, torch.func.jacfwd])
@pytest.mark.parametrize("inner", [torch.func.jacrev, torch.func.jacfwd])
def test_a_hessian_by_any_route_is_that_of_the_graph(outer, inner):
    case = FEW_CASES[1]
    x, gamma, beta = (t.detach() for t in inputs(case))
    weights = case.batch(seed=1)

    def loss(x, batch_norm):
        y, statistics = batch_norm(x, gamma, beta, EPS)
        return (weights * y.sin()).sum() + statistics.var_biased.square().sum()

    expected = torch.autograd.functional.hessian(
        lambda x: loss(x, functional.batch_norm_with_statistics), x
    )
    by_autograd = torch.autograd.functional.hessian(lambda x: loss(x, closed_form.batch_norm), x)
    by_route = outer(inner(lambda x: loss(x, closed_form.batch_norm)))(x)
    torch.testing.assert_close(by_autograd, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(by_route, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("_passes")
def test_the_third_derivative_is_that_of_the_graph():
    case = FEW_CASES[0]
    answers = []
    for batch_norm in (closed_form.batch_norm, functional.batch_norm_with_statistics):
        x, gamma, beta = inputs(case)
        value = (case.batch(seed=1) * batch_norm(x, gamma, beta, EPS)[0].sin()).sum()
        for _ in range(3):
            (gradient,) = torch.autograd.grad(value, x, create_graph=True)
            value = gradient.square().sum()
        answers.append(gradient.detach())
    torch.testing.assert_close(*answers, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("_passes")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_bound_to_float32_rounding_whatever_the_mean(case):
    for mean in (0.0, 1e3, 1e6):
        x = case.batch(dtype=torch.float32, mean=mean).requires_grad_()
        y, _ = closed_form.batch_norm(x, None, None, 1e-5)
        np.testing.assert_allclose(y.detach().numpy(), exact(x)[0], rtol=0, atol=2e-6)


@pytest.mark.usefixtures("_passes")
def test_gradients_survive_values_whose_square_does_not_exist():
    case = Case(2, (6, 2, 3, 4))
    dy = case.batch(seed=1, mean=0.0)
    gradients = []
    for scale, dtype in ((1e30, torch.float32), (1.0, torch.float64)):
        x = (case.batch(mean=0.0) * scale).to(dtype).requires_grad_()
        y, _ = closed_form.batch_norm(x, None, None, eps=1e-30)
        y.backward(dy.to(dtype))
        gradients.append(x.grad.double() * scale)
    torch.testing.assert_close(*gradients, rtol=0, atol=2e-6)


@pytest.mark.usefixtures("_passes")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_only_at_the_end(dtype):
    case = Case(2, (3, 2, 4, 5))
    x = case.batch(dtype=dtype, mean=10.0).requires_grad_()
    dy = case.batch(dtype=dtype, seed=1)
    y, _ = closed_form.batch_norm(x, None, None, 1e-5)
    y.backward(dy)
    one, zero = np.ones(2), np.zeros(2)
    expected, cache = batch_norm_forward(x.detach().double().numpy(), one, zero, 1e-5)
    dx, _, _ = batch_norm_backward(dy.double().numpy(), cache)
    assert y.dtype == x.grad.dtype == dtype
    # one unit in the last place, where the float32 result lies at the middle of two
    unit = torch.finfo(dtype).eps
    np.testing.assert_allclose(y.detach().double().numpy(), expected, rtol=unit, atol=1e-7)
    np.testing.assert_allclose(x.grad.double().numpy(), dx, rtol=unit, atol=1e-6)


@pytest.mark.parametrize("unbatched", ["none", "x", "gamma"])
def test_mapped_over_batches_it_is_each_batch_on_its_own(unbatched):
    case = Case(1, (4, 3, 2))
    x = torch.stack([case.batch(seed=s) for s in range(5)])
    gamma = torch.randn(5, 3, dtype=x.dtype, generator=torch.Generator().manual_seed(0))
    beta = torch.ones(3, dtype=x.dtype)
    in_dims = {"none": (0, 0, None), "x": (None, 0, None), "gamma": (0, None, None)}[unbatched]
    arguments = (x[0] if unbatched == "x" else x, gamma[0] if unbatched == "gamma" else gamma, beta)

    def loss(x, gamma, beta):
        return closed_form.batch_norm(x, gamma, beta, EPS)[0].sin().sum()

    gradients = torch.func.grad(loss, argnums=(0, 1))
    mapped = torch.func.vmap(gradients, in_dims)(*arguments)
    for i in range(5):
        own = [t if dim is None else t[i] for t, dim in zip(arguments, in_dims, strict=True)]
        for of_all, of_one in zip(mapped, gradients(*own), strict=True):
            torch.testing.assert_close(of_all[i], of_one, rtol=1e-10, atol=1e-12)


def test_it_is_differentiated_in_forward_mode_by_dual_numbers():
    x, gamma, beta = (t.detach() for t in inputs(FEW_CASES[1]))
    tangent = FEW_CASES[1].batch(seed=1)
    with forward_ad.dual_level():
        y, _ = closed_form.batch_norm(forward_ad.make_dual(x, tangent), gamma, beta, EPS)
        y_dot = forward_ad.unpack_dual(y).tangent
    step = 1e-6
    ahead, behind = (
        closed_form.batch_norm(x + sign * step * tangent, gamma, beta, EPS)[0] for sign in (1, -1)
    )
    torch.testing.assert_close(y_dot, (ahead - behind) / (2 * step), rtol=1e-7, atol=1e-8)


def test_nothing_is_kept_for_the_backward_pass_but_the_input_and_numbers_per_channel():
    x, gamma, beta = inputs(Case(2, (8, 3, 16, 16)))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        closed_form.batch_norm(x, gamma, beta, EPS)
    assert sorted(t.numel() for t in kept) == [3, 3, 3, 3, 3, x.numel()]
    assert any(t.data_ptr() == x.data_ptr() for t in kept)


@pytest.mark.parametrize("num_values", [1000, 2**19])
def test_in_place_sweeps_leave_input_and_gradient_as_they_were(num_values):
    x = Case(1, (num_values // 4, 4)).batch(dtype=torch.float32).requires_grad_()
    dy = torch.ones_like(x)
    before = x.detach().clone()
    closed_form.batch_norm(x, None, None, EPS)[0].backward(dy)
    assert torch.equal(x.detach(), before)
    assert torch.equal(dy, torch.ones_like(dy))
