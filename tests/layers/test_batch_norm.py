"""Our layers beside torch's: equal where torch is right, and better where it is known not to be."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call, stack_module_state, vmap
from torch.optim.swa_utils import update_bn

from bnkit import layers
from bnkit.layers import BatchNorm1d, BatchNorm2d

from .cases import BACKENDS, CASES, FEW_CASES, FORWARD_MODE, Case, drawn_parameters, exact

pytestmark = FORWARD_MODE

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
IMAGES = Case(2, (3, 2, 4, 5))
ROWS = Case(1, (7, 3))

every_backend = pytest.mark.parametrize("backend", BACKENDS)
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def state(layer):
    return {name: value.clone() for name, value in layer.state_dict().items()}


def assert_same_state(layer, expected, rtol=0.0, atol=0.0):
    for name, value in layer.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=rtol, atol=atol)


def step(layer, x, dy):
    """(y, gradients of x and of the parameters) of one forward and one backward pass."""
    x = x.detach().requires_grad_()
    layer.zero_grad()
    y = layer(x)
    y.backward(dy)
    return y.detach(), [x.grad, *(p.grad for p in layer.parameters())]


# Values, gradients and state beside torch's


@every_backend
@every_case
@pytest.mark.parametrize("affine", [True, False])
def test_three_training_steps_and_an_evaluation_are_those_of_torch(case, backend, affine):
    arguments = {"affine": affine, "dtype": torch.float64, "eps": 1e-3}
    ours, native = case.ours(backend=backend, **arguments), case.native(**arguments)
    for seed in range(3):
        x, dy = case.batch(seed), case.batch(seed + 10)
        (y, gradients), (expected, native_gradients) = step(ours, x, dy), step(native, x, dy)
        torch.testing.assert_close(y, expected, rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(gradients, native_gradients, rtol=1e-9, atol=1e-10)
    assert_same_state(ours, native.state_dict(), rtol=1e-12)
    x, dy = case.batch(5), case.batch(15)
    torch.testing.assert_close(
        step(ours.eval(), x, dy), step(native.eval(), x, dy), rtol=1e-11, atol=1e-12
    )


@every_backend
@pytest.mark.parametrize("momentum", [-1.2, 0.0, -1.0, 0.1, 1.0, None])
def test_the_running_statistics_follow_torch_for_every_momentum(momentum, backend):
    arguments = {"momentum": momentum, "dtype": torch.float64}
    ours, native = IMAGES.ours(backend=backend, **arguments), IMAGES.native(**arguments)
    for seed in range(6):
        x = IMAGES.batch(seed)
        ours(x)
        native(x)
        assert_same_state(ours, native.state_dict(), rtol=1e-12)


@every_backend
def test_the_running_variance_of_two_values_is_twice_the_biased(backend):
    # 1 and 3: biased variance 1, unbiased 2; mean 2
    layer = BatchNorm1d(1, momentum=1.0, backend=backend)
    layer(torch.tensor([[1.0], [3.0]]))
    assert (layer.running_mean.item(), layer.running_var.item()) == (2.0, 2.0)


@every_backend
def test_without_momentum_the_running_variance_is_the_mean_of_the_unbiased_variances(backend):
    layer = ROWS.ours(momentum=None, dtype=torch.float64, backend=backend)
    for restart in range(2):
        batches = [ROWS.batch(seed + 100 * restart) for seed in range(11)]
        for x in batches:
            layer(x)
        means = torch.stack([x.mean(0) for x in batches]).mean(0)
        variances = torch.stack([x.var(0, correction=1) for x in batches]).mean(0)
        torch.testing.assert_close(layer.running_mean, means, rtol=1e-13, atol=0)
        torch.testing.assert_close(layer.running_var, variances, rtol=1e-13, atol=0)
        assert layer.num_batches_tracked == 11
        layer.reset_running_stats()
        assert layer.num_batches_tracked == 0


def by_conventions_of(framework, old, batch, momentum, num_values):
    """Running (mean, var) by the rule of another framework, where momentum weighs the old value.

    ONNX (BatchNormalization-15), Keras 3 and Flax all average the *biased* variance of the batch.
    """
    assert framework in ("ONNX", "Keras", "Flax")
    mean, var_biased = batch
    return (
        momentum * old[0] + (1 - momentum) * mean,
        momentum * old[1] + (1 - momentum) * var_biased,
    )


@every_backend
@pytest.mark.parametrize(
    ("framework", "momentum", "eps"),
    [("ONNX", 0.9, 1e-5), ("Keras", 0.99, 1e-3), ("Flax", 0.99, 1e-5), ("ONNX", 0.3, 0.5)],
)
def test_other_frameworks_are_met_by_one_minus_their_momentum(framework, momentum, eps, backend):
    layer = IMAGES.ours(momentum=1 - momentum, eps=eps, dtype=torch.float64, backend=backend)
    mean, var = np.zeros(2), np.ones(2)
    for seed in range(4):
        x = IMAGES.batch(seed)
        gamma, beta = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        expected, batch_mean, var_biased = exact(x, gamma, beta, eps)
        np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-11, atol=1e-12)
        # they store the biased variance, torch and we n / (n - 1) times it: n = 3 * 4 * 5
        batch = (batch_mean, var_biased * 60 / 59)
        mean, var = by_conventions_of(framework, (mean, var), batch, momentum, 60)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.numpy(), var, rtol=1e-12)
    inference = (IMAGES.batch(9).numpy() - mean.reshape(1, 2, 1, 1)) / np.sqrt(
        var.reshape(1, 2, 1, 1) + eps
    ) * gamma.reshape(1, 2, 1, 1) + beta.reshape(1, 2, 1, 1)
    y = layer.eval()(IMAGES.batch(9)).detach().numpy()
    np.testing.assert_allclose(y, inference, rtol=1e-11, atol=1e-12)


# Evaluation, freezing, buffers


def test_evaluation_before_training_has_mean_zero_and_variance_one():
    x = ROWS.batch()
    y = BatchNorm1d(3, eps=3.0, dtype=torch.float64).eval()(x)
    torch.testing.assert_close(y, x / 2.0, rtol=1e-15, atol=0)


def test_in_evaluation_an_example_does_not_see_its_batch_mates():
    layer = IMAGES.ours(dtype=torch.float32)
    layer(IMAGES.batch(dtype=torch.float32))
    layer.eval()
    x = IMAGES.batch(1, dtype=torch.float32)
    assert torch.equal(layer(x)[1:2], layer(x[1:2]))


@every_backend
def test_a_frozen_layer_in_evaluation_keeps_its_state_and_passes_the_gradient(backend):
    layer = IMAGES.ours(dtype=torch.float64, backend=backend).eval().requires_grad_(False)
    before = state(layer)
    x = IMAGES.batch().requires_grad_()
    layer(x).sum().backward()
    assert_same_state(layer, before)
    slope = (layer.weight / torch.sqrt(1 + torch.tensor(1e-5, dtype=x.dtype))).view(1, 2, 1, 1)
    torch.testing.assert_close(x.grad, slope.expand(IMAGES.shape), rtol=1e-14, atol=0)
    assert layer.weight.grad is None


def test_freezing_the_parameters_alone_does_not_freeze_the_statistics():
    # torch's convention; in Keras trainable=False also means inference statistics
    layer = ROWS.ours(dtype=torch.float64).requires_grad_(False)
    layer(ROWS.batch())
    assert layer.num_batches_tracked == 1
    assert (layer.running_mean != 0).all()


@every_backend
def test_two_forward_passes_go_before_one_backward_pass(backend):
    layer = IMAGES.ours(dtype=torch.float64, backend=backend)
    a, b = IMAGES.batch(0).requires_grad_(), IMAGES.batch(1).requires_grad_()
    (layer(a).sin().sum() + layer(b).sin().sum()).backward()
    together = [a.grad, b.grad, layer.weight.grad.clone()]
    layer.zero_grad()
    a.grad = b.grad = None
    layer(a).sin().sum().backward()
    layer(b).sin().sum().backward()
    torch.testing.assert_close(
        together, [a.grad, b.grad, layer.weight.grad], rtol=1e-12, atol=1e-15
    )


def test_training_between_an_evaluation_and_its_backward_pass_does_no_harm():
    layer, native = ROWS.ours(dtype=torch.float64), ROWS.native(dtype=torch.float64)
    x = ROWS.batch().requires_grad_()
    y = layer.eval()(x)
    layer.train()(ROWS.batch(1))
    y.sum().backward()
    expected = torch.autograd.grad(native.eval()(x).sum(), x)[0]
    torch.testing.assert_close(x.grad, expected, rtol=1e-13, atol=0)


@every_backend
def test_buffers_are_updated_in_place_and_carry_no_graph(backend):
    layer = ROWS.ours(dtype=torch.float64, backend=backend)
    places = [getattr(layer, name).data_ptr() for name in BUFFERS]
    layer(ROWS.batch().requires_grad_())
    assert [getattr(layer, name).data_ptr() for name in BUFFERS] == places
    assert not any(getattr(layer, name).requires_grad for name in BUFFERS)


@every_backend
def test_tracking_switched_off_after_construction_leaves_the_buffers(backend):
    layer, native = (
        build(dtype=torch.float64, **more)
        for build, more in ((ROWS.ours, {"backend": backend}), (ROWS.native, {}))
    )
    for each in (layer, native):
        each(ROWS.batch())
        each.track_running_stats = False
    before = state(layer)
    x = ROWS.batch(1)
    torch.testing.assert_close(layer(x), native(x), rtol=1e-12, atol=1e-13)
    assert_same_state(layer, before)
    torch.testing.assert_close(layer.eval()(x), native.eval()(x), rtol=1e-12, atol=1e-13)


@every_backend
def test_without_running_statistics_evaluation_uses_the_batch(backend):
    layer = ROWS.ours(track_running_stats=False, dtype=torch.float64, backend=backend)
    x = ROWS.batch()
    assert torch.equal(layer.eval()(x), layer.train()(x))


# Derivatives


@every_backend
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("case", FEW_CASES, ids=str)
def test_first_and_second_derivatives_of_the_layer_are_slopes(case, affine, training, backend):
    layer = case.ours(affine=affine, dtype=torch.float64, backend=backend)
    layer(case.batch(1))
    layer.train(training)
    names = [name for name, _ in layer.named_parameters()]

    def call(x, *values):
        return functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    inputs = (case.batch().requires_grad_(), *layer.parameters())
    # Random directions instead of all of them: the full check is test_closed_form's.
    assert gradcheck(call, inputs, check_forward_ad=True, fast_mode=True)
    assert gradgradcheck(call, inputs, check_fwd_over_rev=True, fast_mode=True)


# Memory layouts


@every_backend
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (4, 1, 3, 3), (4, 3, 1, 1), (1, 3, 2, 2)])
def test_channels_last_keeps_values_gradients_and_layout(shape, training, backend):
    case = Case(2, shape)
    layer, native = (
        case.ours(dtype=torch.float64, backend=backend),
        case.native(dtype=torch.float64),
    )
    layer.train(training)
    native.train(training)
    x = case.batch().to(memory_format=torch.channels_last)
    dy = case.batch(1).to(memory_format=torch.channels_last)
    (y, gradients), (expected, expected_gradients) = step(layer, x, dy), step(native, x, dy)
    torch.testing.assert_close(y, expected, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-9, atol=1e-10)
    # Strides of axes of size 1 have no meaning, and torch itself chooses them freely.
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert gradients[0].is_contiguous(memory_format=torch.channels_last)


def layouts(case):
    """The same batch in memory as: a transpose, a slice, steps backwards over examples."""
    x = case.batch()
    wide = torch.zeros(*case.shape[:-1], 2 * case.shape[-1], dtype=x.dtype)
    wide[..., ::2] = x
    return {
        "transposed": x.transpose(0, -1).contiguous().transpose(0, -1),
        "sliced": wide[..., ::2],
        "flipped": x.flip(0).contiguous().flip(0),
        "channels first": x.transpose(0, 1).contiguous().transpose(0, 1),
    }


@every_backend
@pytest.mark.parametrize("layout", ["transposed", "sliced", "flipped", "channels first"])
@pytest.mark.parametrize("case", [ROWS, IMAGES], ids=str)
def test_the_layout_of_input_and_gradient_does_not_change_the_result(
    case, layout, backend, monkeypatch
):
    monkeypatch.setattr(layers.closed_form, "SMALL", 0)
    layer = case.ours(dtype=torch.float64, backend=backend)
    expected = step(layer, case.batch(), torch.ones(case.shape, dtype=torch.float64))
    x = layouts(case)[layout]
    dy = torch.ones((), dtype=x.dtype).expand(x.shape)  # the gradient of a sum has strides 0
    torch.testing.assert_close(step(layer, x, dy), expected, rtol=1e-11, atol=1e-12)


# Mapping and compiling


def test_mapped_in_evaluation_it_is_the_layer_on_each():
    layer = IMAGES.ours(dtype=torch.float64).eval()
    x = torch.stack([IMAGES.batch(seed) for seed in range(4)])
    expected = torch.stack([layer(one) for one in x])
    torch.testing.assert_close(vmap(layer)(x), expected, rtol=1e-13, atol=1e-14)


@every_backend
def test_mapped_without_running_statistics_each_batch_has_its_own(backend):
    layer = IMAGES.ours(track_running_stats=False, dtype=torch.float64, backend=backend)
    x = torch.stack([IMAGES.batch(seed) for seed in range(4)])
    expected = torch.stack([layer(one) for one in x])
    torch.testing.assert_close(vmap(layer)(x), expected, rtol=1e-12, atol=1e-13)


@every_backend
@pytest.mark.parametrize("momentum", [0.1, None])
def test_stacked_models_train_as_each_alone(momentum, backend):
    def build():
        models = [
            ROWS.ours(momentum=momentum, dtype=torch.float64, backend=backend) for _ in range(3)
        ]
        for i, model in enumerate(models):
            nn.init.constant_(model.weight, i + 1.0)
        return models

    models, alone = build(), build()
    parameters, buffers = stack_module_state(models)
    x = ROWS.batch()

    def call(parameters, buffers, x):
        return functional_call(models[0], (parameters, buffers), (x,))

    for _ in range(2):
        y = vmap(call, in_dims=(0, 0, None))(parameters, buffers, x)
        expected = torch.stack([model(x) for model in alone])
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-13)
    for name in BUFFERS:
        stacked = torch.stack([getattr(model, name) for model in alone])
        torch.testing.assert_close(buffers[name], stacked, rtol=1e-13, atol=0)


@pytest.mark.slow
@every_backend
@pytest.mark.parametrize("momentum", [0.1, None])
def test_it_compiles_into_one_graph(momentum, backend):
    torch._dynamo.reset()
    layer = IMAGES.ours(momentum=momentum, backend=backend)
    eager = copy.deepcopy(layer)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for seed in range(3):
        x, dy = (IMAGES.batch(s, dtype=torch.float32) for s in (seed, seed + 10))
        torch.testing.assert_close(step(compiled, x, dy), step(eager, x, dy), rtol=1e-5, atol=1e-5)
    assert_same_state(layer, eager.state_dict(), rtol=1e-6)
    layer.eval()
    torch.testing.assert_close(compiled(x), eager.eval()(x), rtol=1e-6, atol=1e-6)


@every_backend
def test_shapes_are_inferred_without_data(backend):
    layer = BatchNorm2d(2, device="meta", momentum=None, backend=backend)
    assert layer(torch.empty(3, 2, 4, 5, device="meta")).shape == (3, 2, 4, 5)


# Precision


@every_backend
@pytest.mark.parametrize("mean", [1e2, 1e3, 1e4, 1e5, 1e6])
def test_a_large_mean_costs_no_precision(mean, backend):
    case = Case(2, (16, 8, 8, 8))
    x = case.batch(dtype=torch.float32, mean=mean, std=1.0)
    expected = exact(x)[0]
    error, native_error = (
        np.abs(layer(x).detach().numpy() - expected).max()
        for layer in (BatchNorm2d(8, backend=backend), nn.BatchNorm2d(8))
    )
    assert error < 2e-6
    assert error < native_error


@every_backend
@pytest.mark.parametrize("value", [0.0, 1e-42, 0.1, -1e3, 1e6, 1e10, -1e30, 1e38])
def test_a_constant_channel_gives_beta_exactly(value, backend):
    case = Case(2, (6, 3, 7, 5))
    layer = case.ours(backend=backend)
    y = layer(torch.full(case.shape, value))
    assert torch.equal(y, layer.bias.view(1, 3, 1, 1).expand(case.shape))


@every_backend
def test_values_whose_variance_does_not_exist_are_normalized_and_do_not_spoil_the_layer(backend):
    layer = IMAGES.ours(affine=False, backend=backend)
    x = IMAGES.batch(mean=0.0)
    huge = (x * 1e30).float()
    np.testing.assert_allclose(layer(huge).numpy(), exact(huge)[0], rtol=0, atol=2e-6)
    assert layer.running_var.isfinite().all()
    layer.momentum = 1.0
    layer(x.float())
    torch.testing.assert_close(
        layer.running_var.double(), x.transpose(0, 1).flatten(1).var(1), rtol=1e-6, atol=0
    )


@every_backend
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_bad_value_stays_in_its_channel(bad, backend, monkeypatch):
    monkeypatch.setattr(layers.closed_form, "SMALL", 0)
    case = Case(2, (4, 3, 2, 5))
    x, dy = case.batch(dtype=torch.float32), case.batch(1, dtype=torch.float32)
    broken = x.clone()
    broken[1, 1, 0, 2] = bad
    good_layer, bad_layer = case.ours(backend=backend), case.ours(backend=backend)
    (y, gradients), (bad_y, bad_gradients) = step(good_layer, x, dy), step(bad_layer, broken, dy)
    others = [0, 2]
    assert torch.equal(bad_y[:, others], y[:, others])
    assert torch.equal(bad_gradients[0][:, others], gradients[0][:, others])
    assert torch.equal(bad_gradients[1][others], gradients[1][others])
    assert torch.equal(bad_gradients[2], gradients[2])
    for name in ("running_mean", "running_var"):
        ours = getattr(bad_layer, name)
        assert torch.equal(ours[others], getattr(good_layer, name)[others])
        assert not ours[1].isfinite()
    assert bad_y[:, 1].isnan().any()


@every_backend
@pytest.mark.parametrize("own_dtype", ["float32", "half"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_input_is_normalized_in_float32(dtype, own_dtype, backend):
    parameters_dtype = torch.float32 if own_dtype == "float32" else dtype
    layer = IMAGES.ours(dtype=parameters_dtype, backend=backend)
    x = IMAGES.batch(dtype=dtype, mean=50.0)
    y, gradients = step(layer, x, torch.ones_like(x))
    expected = exact(x, layer.weight.detach().double(), layer.bias.detach().double())[0]
    assert y.dtype == gradients[0].dtype == dtype
    assert {p.grad.dtype for p in layer.parameters()} == {parameters_dtype}
    unit = torch.finfo(dtype).eps
    np.testing.assert_allclose(y.double().numpy(), expected, rtol=unit, atol=1e-6)
    assert layer.running_mean.dtype == parameters_dtype
    evaluated = layer.eval()(x)
    native = IMAGES.native(dtype=parameters_dtype).eval()
    native.load_state_dict(layer.state_dict())
    assert evaluated.dtype == dtype
    torch.testing.assert_close(evaluated, native(x), rtol=4 * unit, atol=4 * unit)


def test_a_half_precision_running_variance_saturates_instead_of_becoming_infinite():
    layer = BatchNorm1d(1, momentum=1.0, dtype=torch.float16)
    x = torch.tensor([[-1000.0], [1000.0]], dtype=torch.float16)
    torch.testing.assert_close(layer(x), torch.tensor([[-1.0], [1.0]], dtype=torch.float16))
    assert layer.running_var.item() == 65504.0


@every_backend
def test_autocast_does_not_lower_the_precision_of_the_statistics(backend):
    case = Case(2, (4, 3, 8, 8))
    layer = case.ours(backend=backend)
    x = case.batch(dtype=torch.float32, mean=100.0)
    expected = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(x), expected)


# Refusals


def changed(name, value):
    def change(layer):
        setattr(layer, name, value)

    return change


REFUSED = {
    "one axis": ({}, torch.ones(3), None),
    "four axes": ({}, torch.ones(2, 3, 4, 4), None),
    "one value": ({}, torch.ones(1, 3), None),
    "one value and one place": ({}, torch.ones(1, 3, 1), None),
    "one value, no statistics": ({"track_running_stats": False}, torch.ones(1, 3), "eval"),
    "width": ({}, torch.ones(4, 5), None),
    "width in evaluation": ({}, torch.ones(4, 5), "eval"),
    "width, not affine": ({"affine": False}, torch.ones(4, 5), None),
    "width of weight": ({}, torch.ones(4, 3), changed("weight", nn.Parameter(torch.ones(4)))),
    "width of bias": ({}, torch.ones(4, 3), changed("bias", nn.Parameter(torch.ones(4)))),
    "width of running_var": ({}, torch.ones(4, 3), changed("running_var", torch.ones(2))),
    "one buffer": ({}, torch.ones(4, 3), changed("running_var", None)),
    "integers": ({}, torch.ones(4, 3, dtype=torch.long), None),
    "integers in evaluation": ({}, torch.ones(4, 3, dtype=torch.long), "eval"),
    "booleans": ({}, torch.ones(4, 3, dtype=torch.bool), None),
    "complex numbers": ({}, torch.ones(4, 3, dtype=torch.complex64), None),
    "eps zero": ({"eps": 0.0}, torch.ones(4, 3), None),
    "eps negative": ({"eps": -1.0}, torch.ones(4, 3), None),
    "eps negative in evaluation": ({"eps": -1.0}, torch.ones(4, 3), "eval"),
    "double input": ({}, torch.ones(4, 3, dtype=torch.float64), None),
    "double parameters": ({"dtype": torch.float64}, torch.ones(4, 3), None),
    "half parameters": ({"dtype": torch.float16}, torch.ones(4, 3), None),
    "two kinds of half": (
        {"dtype": torch.float16},
        torch.ones(4, 3, dtype=torch.bfloat16),
        "eval",
    ),
    "momentum": ({"momentum": "a tenth"}, torch.ones(4, 3), None),
    "another device": ({}, torch.ones(4, 3, device="meta"), None),
    "a list": ({}, [[1.0, 2.0, 3.0]], None),
    "nothing": ({}, None, None),
}


@every_backend
@pytest.mark.parametrize("name", REFUSED)
def test_what_torch_refuses_is_refused_with_the_same_error_and_leaves_no_trace(name, backend):
    arguments, x, change = REFUSED[name]
    raised = []
    for layer in (nn.BatchNorm1d(3, **arguments), BatchNorm1d(3, backend=backend, **arguments)):
        if change == "eval":
            layer.eval()
        elif change is not None:
            change(layer)
        before = state(layer)
        with pytest.raises(Exception, match=r".") as caught:
            layer(x)
        raised.append(caught.type)
    assert raised[1] is raised[0]
    assert_same_state(layer, before)


def test_a_refusal_names_the_shape_and_what_to_do():
    with pytest.raises(ValueError, match=r"\(1, 3\).*drop the last batch, or call eval"):
        BatchNorm1d(3)(torch.ones(1, 3))
    with pytest.raises(RuntimeError, match=r"contain 5 elements not 3.*\(4, 5\).*num_features=3"):
        BatchNorm1d(3)(torch.ones(4, 5))
    assert BatchNorm1d(3).eval()(torch.ones(1, 3)).shape == (1, 3)


def test_construction_is_refused_as_by_torch():
    for arguments, error in (((-3,), RuntimeError), ((3.0,), TypeError)):
        for kind in (nn.BatchNorm1d, BatchNorm1d):
            with pytest.raises(error):
                kind(*arguments)


def test_an_unknown_backend_is_refused_by_naming_the_known():
    with pytest.raises(ValueError, match=r"'cudnn'.*'torch', 'graph'"):
        BatchNorm1d(3, backend="cudnn")


@every_backend
@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 5), (4, 3, 0)])
def test_an_empty_batch_changes_nothing_and_has_zero_gradients(shape, backend):
    layer = drawn_parameters(BatchNorm1d(3, momentum=None, backend=backend))
    layer(ROWS.batch(dtype=torch.float32))
    before = state(layer)
    y, gradients = step(layer, torch.empty(shape), torch.empty(shape))
    assert y.shape == gradients[0].shape == shape
    assert torch.equal(gradients[1], torch.zeros(3))
    assert torch.equal(gradients[2], torch.zeros(3))
    assert_same_state(layer, before)


# Being a torch layer


def test_the_mathematics_is_not_torchs(monkeypatch):
    def forbidden(*_args, **_kwargs):
        raise AssertionError("torch's batch normalization was called")

    for owner in (torch, nn.functional):
        monkeypatch.setattr(owner, "batch_norm", forbidden)
    for name in ("native_batch_norm", "batch_norm_stats", "native_layer_norm", "instance_norm"):
        monkeypatch.setattr(torch, name, forbidden)
    for backend in BACKENDS:
        layer = IMAGES.ours(dtype=torch.float64, backend=backend)
        layer(IMAGES.batch().requires_grad_()).sum().backward()
        layer.eval()(IMAGES.batch())


@pytest.mark.parametrize("arguments", [{}, {"affine": False}, {"bias": False}], ids=str)
def test_state_dicts_go_both_ways(arguments):
    ours, native = ROWS.ours(**arguments), ROWS.native(**arguments)
    ours(ROWS.batch(dtype=torch.float32))
    assert list(ours.state_dict()) == list(native.state_dict())
    native.load_state_dict(ours.state_dict())
    assert_same_state(native, ours.state_dict())
    native(ROWS.batch(1, dtype=torch.float32))
    ours.load_state_dict(native.state_dict())
    assert_same_state(ours, native.state_dict())


def test_a_checkpoint_of_before_the_count_of_batches_loads_strictly():
    layer = ROWS.ours()
    layer(ROWS.batch(dtype=torch.float32))
    old = {name: value + 1 for name, value in layer.state_dict().items()}
    del old["num_batches_tracked"]  # and no version, as in checkpoints of torch 0.4.0
    layer.load_state_dict(old)
    assert_same_state(layer, old | {"num_batches_tracked": torch.tensor(1)})


def test_a_checkpoint_of_another_width_is_refused():
    with pytest.raises(RuntimeError, match="size mismatch for running_var"):
        BatchNorm1d(3).load_state_dict(BatchNorm1d(4).state_dict())


@pytest.mark.parametrize("how", ["copied", "pickled", "saved"])
def test_a_copy_goes_on_where_the_layer_stopped(how):
    layer = ROWS.ours(momentum=None, backend="graph")
    layer(ROWS.batch(dtype=torch.float32))
    if how == "copied":
        other = copy.deepcopy(layer)
    elif how == "pickled":
        other = pickle.loads(pickle.dumps(layer))
    else:
        file = io.BytesIO()
        torch.save(layer.state_dict(), file)
        file.seek(0)
        other = BatchNorm1d(3, momentum=None, backend="graph")
        other.load_state_dict(torch.load(file, weights_only=True))
    assert other.backend == "graph"
    x = ROWS.batch(1, dtype=torch.float32)
    assert torch.equal(other(x), layer(x))
    assert_same_state(other, layer.state_dict())


def test_the_default_backend_is_not_shown():
    shown = repr(BatchNorm2d(5, eps=1e-3, momentum=None))
    assert shown == repr(nn.BatchNorm2d(5, eps=1e-3, momentum=None))
    assert repr(BatchNorm2d(5, backend="graph")).endswith(", backend='graph')")


def test_without_bias_there_is_a_gamma_and_no_beta():
    layer = ROWS.ours(bias=False, dtype=torch.float64)
    assert layer.bias is None
    assert "bias" not in layer.state_dict()
    x = ROWS.batch()
    expected = exact(x, gamma=layer.weight.detach())[0]
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-12, atol=1e-13)


def test_it_works_on_a_torch_whose_base_class_knows_no_bias_argument(monkeypatch):
    base = nn.modules.batchnorm._BatchNorm
    init = base.__init__

    def older(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
    ):
        init(self, num_features, eps, momentum, affine, track_running_stats, device, dtype)

    monkeypatch.setattr(base, "__init__", older)
    monkeypatch.setattr(
        nn.modules.batchnorm._NormBase, "reset_parameters", lambda self: nn.init.zeros_(self.bias)
    )
    for arguments in ({}, {"bias": False}, {"affine": False}, {"affine": False, "bias": False}):
        layer = BatchNorm1d(3, **arguments)
        assert (layer.bias is not None) == (arguments == {})
        assert (layer.weight is None) == ("affine" in arguments)
        layer(ROWS.batch(dtype=torch.float32))
        layer.reset_parameters()
        assert layer.num_batches_tracked == 0


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_it_is_an_instance_of_the_layer_that_it_replaces(rank):
    layer = getattr(layers, f"BatchNorm{rank}d")(3)
    assert isinstance(layer, getattr(nn, f"BatchNorm{rank}d"))


def test_averaged_weights_get_their_statistics_by_torchs_own_tool():
    model = nn.Sequential(ROWS.ours(dtype=torch.float64), nn.Linear(3, 2, dtype=torch.float64))
    batches = [ROWS.batch(seed) for seed in range(4)]
    model(ROWS.batch(9))
    update_bn(batches, model)
    expected = torch.stack([x.mean(0) for x in batches]).mean(0)
    torch.testing.assert_close(model[0].running_mean, expected, rtol=1e-13, atol=0)
    assert model[0].momentum == 0.1


def test_it_converts_to_a_synchronized_layer_with_everything_that_it_has():
    layer = IMAGES.ours(eps=1e-2, momentum=0.3).eval()
    layer.running_mean.fill_(5.0)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(layer))[0]
    assert isinstance(converted, nn.SyncBatchNorm)
    assert (converted.eps, converted.momentum, converted.training) == (1e-2, 0.3, False)
    assert_same_state(converted, layer.state_dict())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@every_backend
@pytest.mark.parametrize(
    "case", [*FEW_CASES, Case(2, (64, 32, 32, 32)), Case(1, (512, 300))], ids=str
)
def test_on_a_gpu_it_is_what_it_is_on_a_cpu(case, backend):
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        layer = case.ours(dtype=dtype, eps=1e-2, backend=backend)
        x, dy = case.batch(dtype=dtype), case.batch(1, dtype=dtype)
        expected = step(layer, x, dy)
        expected_state = state(layer)
        layer = case.ours(dtype=dtype, eps=1e-2, backend=backend).cuda()
        y, gradients = step(layer, x.cuda(), dy.cuda())
        torch.testing.assert_close(y.cpu(), expected[0], rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(
            [g.cpu() for g in gradients], expected[1], rtol=tolerance, atol=10 * tolerance
        )
        assert_same_state(layer.cpu(), expected_state, rtol=tolerance, atol=tolerance)
