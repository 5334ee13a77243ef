"""Other normalizers in stacked nets: each seed on its own, and what torch's layers compute."""

from itertools import islice

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from bnkit.layers import LpNorm
from bnkit.models import DeepLinear, SmallCNN, StackedMLP, StackedStep
from bnkit.models.normalizers import normalizer
from bnkit.probes import Evaluation
from bnkit.probes.parameters import layers_in_order
from bnkit.train import at, stacked_batches, train

SIZES = (14, 22, 6, 4)
SEEDS = (4, 0, 7)
NORMS = ("l1", "linf", "l1-before-shift", "linf-before-shift", "layer", "weight")


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


def trained(seeds, norm, placement="before", num_steps=8):
    model = StackedMLP(SIZES, seeds, norm=norm, activation="relu", init="he", placement=placement)
    batches = stacked_batches(*examples(60, 1), batch_size=18, seeds=seeds)
    look = (at([num_steps]), Evaluation("test", *examples(24, 2), SIZES[-1]))
    rows = train(model, batches, seeds=seeds, rate=0.3, num_steps=num_steps, probes=[look])
    return model, rows


@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("norm", NORMS)
def test_a_stack_of_three_is_bit_for_bit_three_stacks_of_one(norm, placement):
    together, rows = trained(SEEDS, norm, placement)
    tensors = {**dict(together.named_parameters()), **dict(together.named_buffers())}
    for place, seed in enumerate(SEEDS):
        alone, own_rows = trained((seed,), norm, placement)
        assert [row for row in rows if row.seed == seed] == own_rows
        single = dict(together.single(place).named_parameters())
        for name, tensor in {
            **dict(alone.named_parameters()),
            **dict(alone.named_buffers()),
        }.items():
            assert torch.equal(tensors[name].view(3, -1)[place], tensor.view(-1)), name
            assert name not in single or torch.equal(single[name], tensor), name
        copy, x = together.single(place).eval(), examples(5, 3)[0]
        torch.testing.assert_close(copy(x), alone.eval()(x), rtol=0, atol=0)


def test_it_is_the_net_of_the_layers_taken_one_by_one():
    x = torch.randn(9, SIZES[0], dtype=torch.float64)
    torchs = {
        "l1": lambda width: LpNorm(width, "l1"),
        "linf-before-shift": lambda width: LpNorm(width, "linf", before_shift=True),
        "layer": nn.LayerNorm,
        "weight": lambda width: nn.Identity(),
    }
    for norm, make in torchs.items():
        model, _ = trained(SEEDS, norm, num_steps=3)
        model = model.double()
        for place in range(3):
            own, h = model.single(place), x
            for linear, own_norm in zip(own.linears[:-1], own.norms, strict=True):
                layer = nn.Linear(*reversed(linear.weight.shape[1:])).double()
                layer.weight.data = linear.weight.data[0]
                layer.bias.data.zero_()
                if linear.bias is not None:
                    layer.bias.data = linear.bias.data[0, :, 0]
                if norm == "weight":
                    layer = weight_norm(layer, dim=0)
                    layer.parametrizations.weight.original0.data = linear.gain.data[0]
                theirs = make(layer.out_features).double()
                state = {
                    k.removeprefix("norm."): v.flatten() for k, v in own_norm.state_dict().items()
                }
                theirs.load_state_dict(state)
                h = torch.relu(theirs(layer(h)))
            expected = h @ own.linears[-1].weight[0].T + own.linears[-1].bias[0, :, 0]
            torch.testing.assert_close(model(x)[place], expected, rtol=1e-9, atol=1e-11)


def test_a_bias_stays_where_the_normalizer_does_not_take_it_away():
    for norm in NORMS:
        has_bias = norm not in ("l1", "linf")
        model = StackedMLP(SIZES, SEEDS, norm=norm, activation="relu")
        assert [linear.bias is not None for linear in model.linears] == [has_bias, has_bias, True]


def test_weight_normalization_begins_as_the_plain_net_and_is_blind_to_the_length_of_v():
    x = torch.randn(3, 5, SIZES[0])
    plain, normed = (
        StackedMLP(SIZES, SEEDS, norm=norm, activation="relu") for norm in ("none", "weight")
    )
    torch.testing.assert_close(normed(x), plain(x))
    normed.linears[0].weight.data *= 5.0
    torch.testing.assert_close(normed(x), plain(x))
    normed.linears[0].gain.data *= 5.0
    assert not torch.allclose(normed(x), plain(x))


def test_layers_are_found_with_their_normalizers():
    x = torch.randn(3, 5, SIZES[0])
    for norm in NORMS:
        model = StackedMLP(SIZES, SEEDS, norm=norm, activation="relu")
        found = layers_in_order(model, x)
        assert [layer.name for layer in found] == ["linears.0", "linears.1", "linears.2"]
        assert sum(len(layer.parameters) for layer in found) == len([*model.parameters()])


def test_the_written_out_step_refuses_what_it_does_not_know():
    for norm in set(NORMS) - {"layer"}:
        model = StackedMLP(SIZES, SEEDS, norm=norm, activation="relu")
        with pytest.raises(ValueError, match=f"norm '{norm}' has no written-out step"):
            StackedStep(model)


@pytest.mark.parametrize("norm", ["l1", "linf"])
def test_deep_linear_nets_take_them_and_keep_seeds_apart(norm):
    def short(seeds):
        model = DeepLinear(6, 5, seeds, norm=norm).double()
        x = torch.stack(
            [torch.randn(2, 8, 6, generator=torch.Generator().manual_seed(s)) for s in seeds]
        )
        batch = (x[:, 0].double(), x[:, 1].double())
        train(
            model, islice([batch] * 9, 9), seeds=seeds, rate=0.05, num_steps=8,
            loss=lambda a, b: (a - b).square().mean(dim=(-2, -1)),
        )  # fmt: skip
        return model

    together = dict(short(SEEDS).named_parameters())
    start = dict(DeepLinear(6, 5, SEEDS, norm=norm).double().named_parameters())
    for place, seed in enumerate(SEEDS):
        for name, alone in short((seed,)).named_parameters():
            assert torch.equal(together[name].view(3, -1)[place], alone.view(-1)), name
            assert not torch.equal(
                together[name].view(3, -1)[place], start[name].view(3, -1)[place]
            )


def test_convolutions_take_them_by_channel():
    x = torch.randn(4, 3, 16, 16)
    for norm in ("l1", "linf"):
        model = SmallCNN((3, 16, 16), 10, 0, norm=norm)
        assert model(x).shape == (4, 10)
        layer = normalizer(norm, 3, 2)
        assert isinstance(layer, LpNorm)
        by_hand = LpNorm(3, norm)(x.transpose(0, 1).flatten(1).T)
        torch.testing.assert_close(layer(x).transpose(0, 1).flatten(1).T, by_hand)
