from itertools import islice

import pytest
import torch
from torch.nn import functional as F

from bnkit.models import ResidualMLP
from bnkit.probes import ActivationPercentiles
from bnkit.probes.hooks import captured_inputs
from bnkit.rows import StepEvent
from bnkit.train import stacked_batches, train

SEEDS = (4, 0, 7)
SIZES = (14, 6, 4)


@pytest.fixture(autouse=True)
def one_thread():
    """As the sweep runs: how a sum is split among threads decides its last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def model_of(seeds, depth=3, **arm):
    return ResidualMLP(*SIZES, depth, seeds, **{"norm": "none", **arm})


def batches(seeds):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(60, SIZES[0], generator=generator)
    y = torch.randint(SIZES[-1], (60,), generator=generator)
    return stacked_batches(x, y, batch_size=18, seeds=seeds)


ARMS = [{"norm": "none"}, {"norm": "batch"}, {"norm": "none", "skip_init": True}]


@pytest.mark.parametrize("arm", ARMS, ids=str)
def test_a_stack_of_three_is_bit_for_bit_three_stacks_of_one(arm):
    def trained(seeds):
        model = model_of(seeds, **arm)
        train(model, batches(seeds), seeds=seeds, rate=0.1, num_steps=8)
        return dict(model.named_parameters())

    together, start = trained(SEEDS), dict(model_of(SEEDS, **arm).named_parameters())
    for place, seed in enumerate(SEEDS):
        for name, alone in trained((seed,)).items():
            ours = together[name].view(3, -1)[place]
            assert torch.equal(ours, alone.view(-1)), name
            assert not torch.equal(ours, start[name].view(3, -1)[place]), f"{name} has not moved"


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_each_seed_computes_what_torchs_layers_compute(norm):
    def bn(h):
        return F.batch_norm(h, None, None, training=True) if norm == "batch" else h

    model = model_of(SEEDS, norm=norm, depth=2).double()
    x = torch.randn(9, SIZES[0], dtype=torch.float64)
    for place in range(3):
        stem, first, second, head = (linear.weight[place] for linear in model.linears)
        h = x @ stem.T
        h = h + bn(h).relu() @ first.T
        h = h + bn(h).relu() @ second.T
        expected = bn(h).relu() @ head.T
        torch.testing.assert_close(model(x)[place], expected, rtol=1e-12, atol=1e-12)


def test_with_skip_init_a_deep_net_begins_as_one_without_blocks():
    deep = model_of(SEEDS, depth=5, skip_init=True)
    shallow = model_of(SEEDS, depth=0)
    shallow.linears[0], shallow.linears[1] = deep.linears[0], deep.linears[-1]
    x = torch.randn(9, SIZES[0])
    assert torch.equal(deep(x), shallow(x))
    torch.nn.init.ones_(deep.scales[0].scale)
    assert not torch.equal(deep(x), shallow(x))


def test_the_scale_of_one_seed_leaves_the_others_alone():
    model, x = model_of(SEEDS, skip_init=True), torch.randn(9, SIZES[0])
    before = model(x)
    with torch.no_grad():
        model.scales[1].scale[1] = 2.0
    assert [torch.equal(a, b) for a, b in zip(model(x), before, strict=True)] == [True, False, True]


def test_parameters_by_pencil():
    def count(**arm):
        return sum(p.numel() for p in model_of(SEEDS, **arm).parameters())

    plain = 3 * ((14 * 6 + 6) + 3 * (6 * 6 + 6) + (6 * 4 + 4))
    assert count(norm="none") == plain
    assert count(norm="none", skip_init=True) == plain + 3 * 3
    assert count(norm="batch") == plain + 3 * 4 * 12  # a last normalizer in front of the head


def test_the_stream_and_the_branch_have_names():
    model = ResidualMLP(14, 400, 4, 2, SEEDS, norm="batch")
    x = torch.randn(50, 14)
    with captured_inputs(model, ["norms.1", "scales.1"]) as seen:
        model(x)
    assert seen["norms.1"].shape == seen["scales.1"].shape == (3, 400, 50)
    # behind BN and ReLU half of the variance 1 is left, and He's weights double it
    assert float(seen["scales.1"].detach().square().mean()) == pytest.approx(1.0, rel=0.1)
    event = StepEvent(0, model, SEEDS, *next(islice(batches(SEEDS), 1)), 0.1)
    assert ActivationPercentiles("activations.0", x)(event)


def test_the_same_seed_has_the_same_weights_in_every_arm():
    models = [model_of((7,)), model_of((1, 7), norm="batch"), model_of((2, 7), skip_init=True)]
    for plain, batch, scaled in zip(*(model.linears for model in models), strict=True):
        assert torch.equal(plain.weight[0], batch.weight[1])
        assert torch.equal(plain.weight[0], scaled.weight[1])
        assert not torch.equal(plain.weight[0], batch.weight[0])


def test_a_wrong_normalizer_is_refused():
    with pytest.raises(ValueError, match="norm 'bach': choose one of none, batch"):
        model_of(SEEDS, norm="bach")
