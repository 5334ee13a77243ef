"""Stacked networks: each seed is bit for bit what it is alone, and what torch's layers compute."""

from itertools import islice

import pytest
import torch
from torch import nn

from bnkit.models import StackedMLP
from bnkit.models.activations import ACTIVATIONS, Elu, Sigmoid
from bnkit.probes import Evaluation
from bnkit.train import every, stacked_batches, train

SIZES = (14, 22, 6, 4)  # even, as the module asks for; 14 * 22 is no multiple of 16
SEEDS = (4, 0, 7)
RATE = 0.3


@pytest.fixture(autouse=True)
def one_thread():
    """As the sweep runs: how a sum is split among threads decides its last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def examples(num, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(num, SIZES[0], generator=generator)
    return x, torch.randint(SIZES[-1], (num,), generator=generator)


def trained(seeds, num_steps=8, **arm):
    model = StackedMLP(SIZES, seeds, **arm)
    batches = stacked_batches(*examples(60, 1), batch_size=18, seeds=seeds)
    look = Evaluation("test", *examples(23, 2), SIZES[-1])
    rows = train(
        model, batches, seeds=seeds, rate=RATE, num_steps=num_steps, probes=[(every(4), look)]
    )
    return model, rows


def of_seed(model, place):
    """Every parameter and buffer of one seed, folded ones unfolded."""
    num_seeds = len(model.seeds)
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {
        name: tensor.detach() if tensor.dim() == 0 else tensor.detach().view(num_seeds, -1)[place]
        for name, tensor in tensors.items()
    }


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("norm", "placement"), [("none", "before"), ("batch", "before"), ("batch", "after")]
)
def test_a_stack_of_three_is_bit_for_bit_three_stacks_of_one(norm, activation, placement):
    arm = {"norm": norm, "activation": activation, "placement": placement}
    together, rows = trained(SEEDS, **arm)
    for place, seed in enumerate(SEEDS):
        alone, its_rows = trained((seed,), **arm)
        expected = of_seed(alone, 0)
        for name, tensor in of_seed(together, place).items():
            assert torch.equal(tensor, expected[name]), name
        assert [row for row in rows if row.seed == seed] == its_rows


def test_training_has_moved_every_parameter():
    # else the test above would compare initial weights
    start = of_seed(StackedMLP(SIZES, (0,), norm="batch", activation="tanh"), 0)
    end = of_seed(trained((0,), norm="batch", activation="tanh")[0], 0)
    assert not any(torch.equal(start[name], end[name]) for name in start)


@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_each_seed_computes_what_torchs_layers_compute(norm, placement):
    model = StackedMLP(SIZES, SEEDS, norm=norm, activation="tanh", placement=placement).double()
    x = examples(19, 5)[0].double()
    outputs = model(x)
    for place in range(len(SEEDS)):
        layers = []
        for linear in model.linears:
            weight = linear.weight[place].detach()
            layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
            layer.weight.data = weight
            layer.bias.data.zero_()
            layers += [layer]
            if linear is not model.linears[-1]:
                between = [nn.Tanh()]
                bn = nn.BatchNorm1d(weight.shape[0], dtype=torch.float64)
                if norm == "batch":
                    between.insert(0 if placement == "before" else 1, bn)
                layers += between
        torch.testing.assert_close(outputs[place], nn.Sequential(*layers)(x), rtol=1e-12, atol=0)


def test_a_bias_is_left_out_where_the_normalizer_would_subtract_it():
    def biases(**arm):
        model = StackedMLP(SIZES, SEEDS, activation="relu", **arm)
        return [linear.bias is not None for linear in model.linears]

    assert biases(norm="batch", placement="before") == [False, False, True]
    assert biases(norm="batch", placement="after") == [True, True, True]
    assert biases(norm="none") == [True, True, True]


def test_the_weights_of_a_seed_are_the_same_in_every_arm():
    arms = [
        StackedMLP(SIZES, seeds, norm=norm, activation=activation)
        for seeds, norm, activation in [
            ((7,), "none", "relu"),
            ((1, 7), "batch", "sigmoid"),
        ]
    ]
    for ours, theirs in zip(arms[0].linears, arms[1].linears, strict=True):
        assert torch.equal(ours.weight[0], theirs.weight[1])
    assert not torch.equal(arms[1].linears[0].weight[0], arms[1].linears[0].weight[1])


def test_the_weights_do_not_depend_on_torchs_random_state():
    torch.manual_seed(1)
    first = StackedMLP(SIZES, (3,), norm="none", activation="relu").linears[0].weight
    torch.manual_seed(2)
    assert torch.equal(
        first, StackedMLP(SIZES, (3,), norm="none", activation="relu").linears[0].weight
    )


@pytest.mark.parametrize(
    ("init", "deviation"),
    [("lecun", 400**-0.5), ("glorot", (2 / 700) ** 0.5), ("he", (2 / 400) ** 0.5)],
)
def test_gaussian_weights_have_the_deviation_of_their_name(init, deviation):
    model = StackedMLP((400, 300, 2), (0,), norm="none", activation="relu", init=init)
    weight = model.linears[0].weight.detach()
    # 120,000 draws: the estimate has a relative standard error of 1/√240,000 = 0.2 %
    assert float(weight.std()) == pytest.approx(deviation, rel=0.01)
    assert abs(float(weight.mean())) < 5 * deviation / 120_000**0.5


def test_orthogonal_weights_keep_lengths():
    model = StackedMLP((6, 6, 2), (0,), norm="none", activation="relu", init="orthogonal")
    weight = model.linears[0].weight[0].detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(6), rtol=0, atol=1e-6)


def test_examples_that_all_seeds_share_are_given_once():
    model = StackedMLP(SIZES, SEEDS, norm="batch", activation="relu").eval()
    x, _ = examples(5, 3)
    assert torch.equal(model(x), model(x.expand(3, -1, -1)))


def test_one_seed_can_be_taken_out_of_the_stack():
    model, _ = trained(SEEDS, norm="batch", activation="relu")
    x, _ = examples(6, 3)
    alone = model.single(1)
    assert alone.seeds == (SEEDS[1],)
    assert torch.equal(alone.eval()(x)[0], model.eval()(x)[1])


def test_without_the_affine_part_there_is_no_gamma():
    model = StackedMLP(SIZES, SEEDS, norm="batch", activation="relu", affine=False)
    assert not [name for name, _ in model.named_parameters() if name.startswith("norms")]


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ({"norm": "layers"}, "norm 'layers'"),
        ({"placement": "beside"}, "placement 'beside'"),
        ({"activation": "swish"}, "activation 'swish': choose one of sigmoid, tanh"),
        ({"init": "ones"}, "init 'ones': choose one of lecun"),
    ],
)
def test_a_wrong_name_is_answered_with_the_allowed_ones(arm, words):
    with pytest.raises(ValueError, match=words):
        StackedMLP(SIZES, SEEDS, **{"norm": "none", "activation": "relu", **arm})


# ---- nonlinearities


@pytest.mark.parametrize(("ours", "torchs"), [(Sigmoid(), nn.Sigmoid()), (Elu(), nn.ELU())])
def test_our_nonlinearities_and_their_slopes_are_torchs_within_rounding(ours, torchs):
    x = torch.linspace(-40, 40, 1001, dtype=torch.float64, requires_grad=True)  # with 0
    torch.testing.assert_close(ours(x), torchs(x), rtol=0, atol=1e-15)
    (our_slope,), (torchs_slope,) = (torch.autograd.grad(f(x).sum(), x) for f in (ours, torchs))
    torch.testing.assert_close(our_slope, torchs_slope, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_value_at_a_number_does_not_depend_on_its_neighbors(name):
    x = torch.linspace(-4, 4, 37)
    f = ACTIVATIONS[name]()
    together = f(x)
    assert all(torch.equal(together[i : i + 1], f(x[i : i + 1])) for i in range(37))


def test_batches_of_the_stack_reach_their_own_seed():
    # the gradient of one seed's loss is zero in the weights of the others
    model = StackedMLP(SIZES, SEEDS, norm="batch", activation="relu")
    x, y = next(islice(stacked_batches(*examples(60, 1), batch_size=18, seeds=SEEDS), 1))
    nn.functional.cross_entropy(model(x)[1], y[1]).backward()
    for linear in model.linears:
        moved = linear.weight.grad.abs().sum(dim=(1, 2)) > 0
        assert moved.tolist() == [False, True, False]


def test_group_normalization_is_torchs_for_each_seed_and_bit_for_bit_what_it_is_alone():
    sizes, seeds = (14, 20, 40, 4), (4, 0)
    together = StackedMLP(sizes, seeds, norm="group", activation="relu")
    with torch.no_grad():
        for norm in together.norms:
            norm.weight.normal_()
            norm.bias.normal_()
    x = torch.randn(6, 14)
    for place in range(2):
        alone, h = together.single(place), x
        assert torch.equal(alone(x)[0], together(x)[place])
        for linear, norm, width in zip(alone.linears[:-1], alone.norms, sizes[1:], strict=False):
            theirs = torch.nn.GroupNorm(width // 10, width)
            theirs.weight.data, theirs.bias.data = norm.weight[0, :, 0], norm.bias[0, :, 0]
            h = torch.relu(theirs(h @ linear.weight[0].T + linear.bias[0, :, 0]))
        logits = h @ alone.linears[-1].weight[0].T + alone.linears[-1].bias[0, :, 0]
        torch.testing.assert_close(alone(x)[0], logits)
    with pytest.raises(ValueError, match="14 features do not make up whole groups of 10"):
        StackedMLP((5, 14, 3), seeds, norm="group", activation="relu")
