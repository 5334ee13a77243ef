import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bnkit.reference import (
    batch_norm_backward,
    batch_norm_backward_graph,
    batch_norm_forward,
    channel_mean,
    running_update,
    var_unbiased,
)

SHAPES = [(2, 1), (7, 3), (5, 1), (4, 2, 5), (1, 3, 4), (3, 2, 1, 5), (2, 3, 2, 2, 3)]
BACKWARDS = [batch_norm_backward, batch_norm_backward_graph]


def drawn(shape, seed=0):
    """(x, gamma, beta, dy): a batch that is neither centered nor of one scale."""
    rng = np.random.default_rng(seed)
    num_channels = shape[1]
    x = rng.normal(3.0, 2.0, shape)
    return x, rng.normal(size=num_channels), rng.normal(size=num_channels), rng.normal(size=shape)


def test_two_points_by_pencil():
    # mean 2, biased variance 1 -> (-1, +1); gamma 10, beta 5 -> (-5, 15)
    y, _ = batch_norm_forward(np.array([[1.0], [3.0]]), np.array([10.0]), np.array([5.0]), eps=0.0)
    np.testing.assert_allclose(y, [[-5.0], [15.0]], rtol=1e-15)


def test_eps_is_added_under_the_root():
    # variance 9 and eps 16: the root is 5, not 3 + 4
    y, _ = batch_norm_forward([[-3.0], [3.0]], [1.0], [0.0], eps=16.0)
    np.testing.assert_allclose(y, [[-0.6], [0.6]], rtol=1e-15)


def test_a_channel_is_averaged_over_examples_and_places_but_not_over_channels():
    # channel 0 has 1, 1, 3, 3 (mean 2, variance 1); channel 1 has 10, 30, 10, 30
    x = np.array([[[1.0, 1.0], [10.0, 30.0]], [[3.0, 3.0], [10.0, 30.0]]])
    y, _ = batch_norm_forward(x, np.ones(2), np.zeros(2), eps=0.0)
    expected = [[[-1, -1], [-1, 1]], [[1, 1], [-1, 1]]]
    np.testing.assert_allclose(y, expected, rtol=1e-15)


@pytest.mark.parametrize("backward", BACKWARDS)
def test_a_gradient_by_pencil(backward):
    # x = (-1, 0, 1) * sqrt(3/2) has variance 1, so x_hat = x. For dy = (1, 0, 0): the mean of dy
    # is 1/3, the mean of dy * x_hat is -sqrt(3/2)/3, so dx = (1, 0, 0) - 1/3 + x_hat sqrt(3/2)/3
    # = (1 - 1/3 - 1/2, -1/3, -1/3 + 1/2), times gamma = 6.
    x = np.array([[-1.0], [0.0], [1.0]]) * np.sqrt(1.5)
    _, cache = batch_norm_forward(x, [6.0], [0.0], eps=0.0)
    dx, dgamma, dbeta = backward([[1.0], [0.0], [0.0]], cache)
    np.testing.assert_allclose(dx, [[1.0], [-2.0], [1.0]], rtol=1e-14)
    np.testing.assert_allclose(dgamma, [-np.sqrt(1.5)], rtol=1e-15)
    np.testing.assert_allclose(dbeta, [1.0], rtol=1e-15)


@pytest.mark.parametrize("backward", BACKWARDS)
@pytest.mark.parametrize("eps", [1e-5, 0.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_those_of_torch(shape, eps, backward):
    x, gamma, beta, dy = drawn(shape)
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    expected = torch.nn.functional.batch_norm(
        tensors[0], None, None, *tensors[1:], training=True, eps=eps
    )
    expected.backward(torch.tensor(dy))
    y, cache = batch_norm_forward(x, gamma, beta, eps)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12, atol=1e-13)
    for ours, tensor in zip(backward(dy, cache), tensors, strict=True):
        np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-10, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    num_examples=st.integers(2, 9),
    num_channels=st.integers(1, 4),
    spatial=st.lists(st.integers(1, 3), max_size=3),
    eps=st.sampled_from([0.0, 1e-5, 0.1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_closed_form_is_the_computational_graph_solved(
    num_examples, num_channels, spatial, eps, seed
):
    x, gamma, beta, dy = drawn((num_examples, num_channels, *spatial), seed)
    _, cache = batch_norm_forward(x, gamma, beta, eps)
    # A channel of two nearly equal values divides by a tiny deviation: relative to that.
    atol = 1e-11 * np.abs(cache.inv_std).max()
    for closed, graph in zip(
        batch_norm_backward(dy, cache), batch_norm_backward_graph(dy, cache), strict=True
    ):
        np.testing.assert_allclose(closed, graph, rtol=1e-9, atol=atol)


@pytest.mark.parametrize("backward", BACKWARDS)
def test_the_gradient_is_the_slope_of_the_loss(backward):
    x, gamma, beta, dy = drawn((4, 2, 3))
    _, cache = batch_norm_forward(x, gamma, beta, 1e-3)
    gradients = backward(dy, cache)
    for index, gradient in enumerate(gradients):
        direction = drawn(gradient.shape if index == 0 else (1, 2), seed=1)[0]
        direction = direction.reshape(gradient.shape)
        losses = []
        for step in (1e-5, -1e-5):
            moved = [x, gamma, beta]
            moved[index] = moved[index] + step * direction
            losses.append((dy * batch_norm_forward(*moved, 1e-3)[0]).sum())
        slope = (losses[0] - losses[1]) / 2e-5
        assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-7)


@pytest.mark.parametrize("backward", BACKWARDS)
def test_the_gradient_has_no_component_along_one_and_none_along_x_hat(backward):
    x, gamma, beta, dy = drawn((6, 3, 2))
    _, cache = batch_norm_forward(x, gamma, beta, eps=0.0)
    dx, _, _ = backward(dy, cache)
    np.testing.assert_allclose(channel_mean(dx), 0.0, atol=1e-15)
    np.testing.assert_allclose(channel_mean(dx * cache.x_hat), 0.0, atol=1e-15)


@pytest.mark.parametrize("shape", SHAPES)
def test_scale_and_shift_of_the_input_are_forgotten(shape):
    x, gamma, beta, _ = drawn(shape)
    y, _ = batch_norm_forward(x, gamma, beta, eps=0.0)
    y_moved, _ = batch_norm_forward(-100.0 * x + 7.0, -gamma, beta, eps=0.0)
    np.testing.assert_allclose(y_moved, y, rtol=1e-10, atol=1e-12)


def test_everything_is_float64_and_the_inputs_stay_as_they_were():
    x, gamma, beta, dy = (a.astype(np.float32) for a in drawn((5, 2)))
    kept = [a.copy() for a in (x, gamma, beta, dy)]
    y, cache = batch_norm_forward(x, gamma, beta)
    results = [y, *cache, *batch_norm_backward(dy, cache), *batch_norm_backward_graph(dy, cache)]
    assert {a.dtype for a in results} == {np.dtype(np.float64)}
    for now, before in zip((x, gamma, beta, dy), kept, strict=True):
        np.testing.assert_array_equal(now, before)


def test_a_running_statistic_moves_by_the_weight_of_the_new_batch():
    # a quarter of the way from 4 to 8
    np.testing.assert_allclose(running_update([4.0], [8.0], running_rate=0.25), [5.0])


def test_the_unbiased_variance_of_two_values_is_twice_the_biased():
    np.testing.assert_allclose(var_unbiased([1.0, 3.0], 2), [2.0, 6.0])
    x = np.array([1.0, 4.0, 4.0, 7.0, 9.0])
    assert var_unbiased(x.var(), 5) == pytest.approx(x.var(ddof=1), rel=1e-15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((1, 3)), np.ones(3), np.ones(3)), r"\(1, 3\).*2 values per channel"),
        ((np.ones((1, 3, 1, 1)), np.ones(3), np.ones(3)), r"\(1, 3, 1, 1\)"),
        ((np.ones((0, 3)), np.ones(3), np.ones(3)), r"\(0, 3\)"),
        ((np.ones((4, 0)), np.ones(0), np.ones(0)), r"\(4, 0\)"),
        ((np.ones(3), np.ones(3), np.ones(3)), r"\(3,\).*\(N, C\)"),
        ((np.ones((4, 3), int), np.ones(3), np.ones(3)), "int64"),
        ((np.ones((4, 3)), np.ones(2), np.ones(3)), r"gamma has shape \(2,\).*\(4, 3\)"),
        ((np.ones((4, 3)), np.ones(3), np.ones((3, 1))), r"beta has shape \(3, 1\)"),
        ((np.ones((4, 3)), np.ones(3), np.ones(3), -1e-5), r"eps = -1e-05"),
        ((np.ones((4, 3)), np.ones(3), np.ones(3), np.nan), "eps = nan"),
    ],
)
def test_what_cannot_be_normalized_is_refused_by_its_shape(arguments, message):
    with pytest.raises(ValueError, match=message):
        batch_norm_forward(*arguments)


@pytest.mark.parametrize("backward", BACKWARDS)
def test_a_gradient_of_another_shape_is_refused(backward):
    x, gamma, beta, _ = drawn((4, 3))
    _, cache = batch_norm_forward(x, gamma, beta)
    with pytest.raises(ValueError, match=r"dy has shape \(4, 1\).*\(4, 3\)"):
        backward(np.ones((4, 1)), cache)


def test_one_value_has_no_unbiased_variance():
    with pytest.raises(ValueError, match="num_values >= 2, got 1"):
        var_unbiased([1.0], 1)
