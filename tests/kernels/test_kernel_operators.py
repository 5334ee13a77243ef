"""The kernels as torch sees them: operators with a gradient, which compilers do not look into."""

import copy

import pytest

pytest.importorskip("triton", reason="the kernels need Triton: pip install triton")

import torch

from bnkit import kernels, layers

from .cases import batch, channels_last, divide, parameters

# torch compiles its own rules by torch.jit.script, on first use.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")


def arguments(dtype=torch.float32, requires_grad=True):
    """x, gamma, beta, running mean, running variance, residual."""
    gamma, beta = parameters(3)
    tensors = [
        batch((4, 3, 5, 5), dtype=dtype),
        gamma,
        beta,
        torch.zeros(3),
        torch.ones(3),
        batch((4, 3, 5, 5), seed=1, dtype=dtype),
    ]
    for index in (0, 1, 2, 5):
        tensors[index].requires_grad_(requires_grad)
    return tensors


def test_a_change_of_the_running_statistics_is_counted_as_torch_counts_its_own():
    x, mean, var = batch((4, 3, 5, 5)), torch.zeros(3), torch.ones(3)
    for requires_grad in (False, True):
        before = mean._version, var._version
        x = x.detach().requires_grad_(requires_grad)
        kernels.batch_norm(x, None, None, mean, var)
        assert (mean._version, var._version) == (before[0] + 1, before[1] + 1)
    kernels.batch_norm(x, None, None, mean, var, training=False)
    assert mean._version == 2  # it is only read


def test_a_graph_that_saved_the_running_mean_is_refused_once_it_has_moved():
    x, mean, var = batch((4, 3, 5, 5)), torch.zeros(3), torch.ones(3)
    weight = torch.ones(3, requires_grad=True)
    loss = (weight * mean).sum()
    kernels.batch_norm(x, None, None, mean, var)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.slow
@pytest.mark.parametrize("lay_out", [torch.Tensor.contiguous, channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_operators_keep_every_promise_that_torch_can_check(dtype, lay_out):
    x, gamma, beta, mean, var, residual = arguments(dtype)
    x = lay_out(x.detach()).requires_grad_()
    statistics = torch.rand(3, 3) + 0.5
    for relu in (False, True):
        torch.library.opcheck(
            torch.ops.bnkit.batch_norm.default,
            (x, gamma, beta, mean, var, residual, 0.1, 1e-5, relu),
        )
        torch.library.opcheck(
            torch.ops.bnkit.batch_norm_inference.default,
            (x, gamma, beta, mean, var, residual, 1e-5, relu),
        )
        torch.library.opcheck(
            torch.ops.bnkit.batch_norm_backward.default,
            (
                *(t.detach() for t in (residual, x, x.relu(), gamma, beta)),
                statistics, 1e-5, relu, True,
            ),
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_they_compile_into_one_graph(training, dynamic):
    torch._dynamo.reset()

    def call(x, gamma, beta, mean, var, residual):
        return kernels.batch_norm(
            x, gamma, beta, mean, var, residual=residual, relu=True, training=training
        )

    graphs = []

    def counted(graph, inputs):
        graphs.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    compiled = torch.compile(call, fullgraph=True, backend=counted, dynamic=dynamic)
    ours, plain = arguments(), arguments()
    for inputs, function in ((ours, compiled), (plain, call)):
        function(*inputs).square().sum().backward()
    assert graphs  # full graphs, and not plain calls
    for value, expected in zip(ours, plain, strict=True):
        assert torch.equal(value, expected)
        if expected.requires_grad:
            assert torch.equal(value.grad, expected.grad)


@pytest.mark.slow
def test_a_layer_compiles_with_them():
    torch._dynamo.reset()
    layer = layers.BatchNorm2d(3, backend="triton")
    eager = copy.deepcopy(layer)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for seed in range(2):
        x = batch((4, 3, 5, 5), seed)
        assert torch.equal(compiled(x), eager(x))
    assert torch.equal(layer.running_var, eager.running_var)


@pytest.mark.parametrize("way", ["whole", "split"])
@pytest.mark.parametrize("shape", [(9, 3), (4, 3, 5), (4, 3, 5, 5), (2, 3, 2, 3, 3)])
def test_a_layer_with_them_trains_as_that_of_torch(shape, way, monkeypatch):
    divide(monkeypatch, way)
    rank = max(1, len(shape) - 2)
    ours = getattr(layers, f"BatchNorm{rank}d")(3, backend="triton")
    native = getattr(torch.nn, f"BatchNorm{rank}d")(3)
    for seed in range(2):
        x, dy = batch(shape, seed), batch(shape, seed + 5, mean=0.0)
        ys, gradients = [], []
        for layer in (ours, native):
            inputs = [x.clone().requires_grad_(), *layer.parameters()]
            ys.append(layer(inputs[0]))
            gradients.append(torch.autograd.grad(ys[-1], inputs, dy))
        torch.testing.assert_close(*ys, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)
    for name, value in native.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours.eval()(x), native.eval()(x), rtol=1e-5, atol=1e-5)


def test_a_layer_leaves_its_running_statistics_to_them(monkeypatch):
    calls = []

    def track(self, *_):
        calls.append(self.momentum)

    monkeypatch.setattr(layers.BatchNorm1d, "_track", track)
    for momentum in (0.3, None):
        layer, native = (
            kind(3, momentum=momentum, **how)
            for kind, how in (
                (layers.BatchNorm1d, {"backend": "triton"}),
                (torch.nn.BatchNorm1d, {}),
            )
        )
        x = batch((9, 3), 0)
        layer(x), native(x)
        if momentum:
            for name, value in native.state_dict().items():
                torch.testing.assert_close(layer.state_dict()[name], value, rtol=1e-6, atol=1e-6)
    assert calls == [None]  # the plain mean over batches is for torch to take


def test_running_statistics_in_half_precision_stay_finite():
    layer = layers.BatchNorm1d(3, momentum=1.0, backend="triton", dtype=torch.float16)
    layer(torch.tensor([[-60_000.0], [60_000.0]], dtype=torch.float16).expand(2, 3).contiguous())
    assert layer.running_var.tolist() == 3 * [torch.finfo(torch.float16).max]


@pytest.mark.parametrize("shape", [(9, 3), (4, 3, 5, 5)])
def test_a_layer_on_a_gpu_evaluates_with_them(shape, monkeypatch):
    rank = max(1, len(shape) - 2)
    layer = getattr(layers, f"BatchNorm{rank}d")(3, backend="triton")
    layer(batch(shape, 0))
    elsewhere = layer.eval()(batch(shape, 1))  # on the CPU, by torch
    monkeypatch.setattr("bnkit.layers.batch_norm.is_on_gpu", lambda x: True)
    monkeypatch.setattr("bnkit.layers.functional.normalize_with", None)
    torch.testing.assert_close(layer(batch(shape, 1)), elsewhere, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_a_second_derivative_is_refused(training):
    x, gamma, beta, mean, var, _ = arguments()
    y = kernels.batch_norm(x, gamma, beta, mean, var, training=training)
    (dx,) = torch.autograd.grad(y.sin().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative: use backend='torch'"):
        dx.square().sum().backward()


def test_without_gradients_nothing_is_kept():
    x, gamma, beta, mean, var, residual = arguments()
    with torch.no_grad():
        y = kernels.batch_norm(x, gamma, beta, mean, var, residual=residual)
    assert y.grad_fn is None
    x, gamma, *_ = arguments(requires_grad=False)
    assert not kernels.batch_norm(x, gamma).requires_grad


def test_a_frozen_scale_gets_no_gradient():
    x, gamma, beta, *_ = arguments()
    kernels.batch_norm(x, gamma.detach(), beta).sum().backward()
    assert gamma.grad is None
    assert beta.grad is not None


X = torch.ones(4, 3)
REFUSED = {
    "x has shape (4,)": {"x": torch.ones(4)},
    "x is torch.float64: the kernels take float32": {"x": X.double()},
    "x is torch.int64": {"x": X.long()},
    "x has shape (1, 3): statistics need 2 values": {"x": X[:1]},
    "x has shape (0, 3): there is nothing": {"x": X[:0]},
    "eps = 0.0 is added to a variance": {"eps": 0.0},
    "eps = nan is added to a variance": {"eps": float("nan")},
    "gamma is (2,) in torch.float32: x (4, 3) needs (3,)": {"gamma": torch.ones(2)},
    "beta is (3,) in torch.float64": {"beta": torch.ones(3, dtype=torch.float64)},
    "gamma has strides (2,)": {"gamma": torch.ones(6)[::2]},
    "running_mean and running_var: give both": {"running_mean": torch.ones(3)},
    "training=False needs running_mean": {"training": False},
    "the residual is (3, 4)": {"residual": torch.ones(3, 4)},
    "the residual is (4, 3) in torch.float16": {"residual": X.half()},
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(message):
    given = {"x": X, **REFUSED[message]}
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refused:
        kernels.batch_norm(given.pop("x"), **given)
    assert message in str(refused.value)
