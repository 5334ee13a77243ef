"""Several processes, one batch: what each gets is what BN on the joined batch would have given it.

The processes are real and meet once for all tests of this file: `take_part` goes through all cases
in each, and the tests compare what they brought back with torch's BN in this process.
"""

import copy

import numpy as np
import pytest
import torch
from torch import distributed as dist
from torch import nn

from bnkit.layers import BatchNorm1d, BatchNorm2d, SyncBatchNorm
from bnkit.layers.sync_batch_norm import Moments, merged, moments
from bnkit.processes import together

SHARES = (5, 3, 0, 1)
RANKS = range(len(SHARES))
C = 3
SHAPES = {"rows": (9, C), "images": (9, C, 2, 4)}
SETTINGS = {
    "usual": {},
    "bare": {"affine": False},
    "no-beta": {"bias": False},
    "no-running": {"track_running_stats": False},
    "plain-mean": {"momentum": None},
}
CASES = [("rows", "usual"), *(("images", name) for name in SETTINGS)]


def batch(shape, seed=0, steps=2):
    """(steps, 2, *shape): x with dy; the examples drift, so that no share is like another."""
    x = torch.tensor(np.random.default_rng(seed).standard_normal((steps, 2, *shape)))
    x[:, 0] += torch.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    return x


def share(x, rank):
    return torch.split(x, SHARES)[rank]


def layer_of(kind, name):
    layer = kind(C, eps=1e-3, dtype=torch.float64, **SETTINGS[name])
    for parameter in layer.parameters():
        nn.init.normal_(parameter, generator=torch.Generator().manual_seed(7))
    return layer


def steps_of(layer, pairs):
    """Of each training step y, dx and the parameters' gradients; and the state after the last."""
    found = []
    for x, dy in pairs:
        x = x.clone().requires_grad_()
        layer.zero_grad()
        y = layer(x)
        y.backward(dy)
        results = (y.detach(), x.grad, *(p.grad.clone() for p in layer.parameters()))
        found.append([result.numpy() for result in results])
    return found, state(layer)


def state(layer):
    return {name: value.clone().numpy() for name, value in layer.state_dict().items()}


def take_part(rank):
    """What a process does and sees, by name."""
    found, calls = {}, []
    real = dist.all_gather
    dist.all_gather = lambda *args, **kwargs: (calls.append(1), real(*args, **kwargs))[1]
    for shape, name in CASES:
        pairs = [(share(x, rank), share(dy, rank)) for x, dy in batch(SHAPES[shape])]
        found[shape, name] = steps_of(layer_of(SyncBatchNorm, name), pairs)
    found["calls"] = len(calls)
    for case in (nothing, one_value, constant, evaluated, half, converted, in_pairs):
        found[case.__name__] = case(rank)
    return found


def nothing(rank):
    layer = layer_of(SyncBatchNorm, "usual")
    before = state(layer)
    (results,), after = steps_of(layer, [(torch.zeros(0, C, 2).double(),) * 2])
    return before, after, results


def one_value(rank):
    layer = layer_of(SyncBatchNorm, "usual")
    before, message = state(layer), ""
    try:
        layer(torch.ones(int(rank == 1), C).double())
    except ValueError as error:
        message = str(error)
    return before, state(layer), message


def constant(rank):
    layer = SyncBatchNorm(C)
    nn.init.constant_(layer.bias, 0.5)
    return layer(torch.full((SHARES[rank], C), 1e6 + 0.1)).detach().numpy()


def evaluated(rank):
    """By one process alone: it may not wait for the others."""
    if rank == 0:
        return layer_of(SyncBatchNorm, "usual").eval()(torch.ones(2, C).double()).detach().numpy()


def half(rank):
    x, dy = share(batch(SHAPES["rows"])[0, 0], rank), share(batch(SHAPES["rows"])[0, 1], rank)
    x = x.bfloat16().requires_grad_()
    y = SyncBatchNorm(C)(x)
    y.backward(dy.bfloat16())
    assert y.dtype == x.grad.dtype == torch.bfloat16
    return y.detach().double().numpy(), x.grad.double().numpy()


def net():
    torch.manual_seed(3)
    parts = nn.Conv2d(C, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2)
    return nn.Sequential(*parts).double()


def converted(rank):
    pairs = [(share(x, rank), share(dy[:, :2], rank)) for x, dy in batch(SHAPES["images"])]
    return steps_of(SyncBatchNorm.convert_sync_batchnorm(net()), pairs)


def in_pairs(rank):
    """The first two processes share, the last two do, and the pairs know nothing of each other."""
    groups = [dist.new_group([0, 1]), dist.new_group([2, 3])]
    layer = SyncBatchNorm(C, process_group=groups[rank // 2], dtype=torch.float64)
    layer(share(batch(SHAPES["images"])[0, 0], rank))
    return state(layer)


@pytest.fixture(scope="module")
def seen():
    """What each of the four processes saw."""
    return together(take_part, len(SHARES), seconds=120.0)


def expected(shape, name):
    kind = nn.BatchNorm1d if shape == "rows" else nn.BatchNorm2d
    if name == "no-beta":  # that torch's layer may be without one is younger than what we support
        kind = BatchNorm2d
    return steps_of(layer_of(kind, name), batch(SHAPES[shape]))


def assert_close(got, wanted, atol=1e-12):
    np.testing.assert_allclose(got, wanted, rtol=0, atol=atol)


pytestmark = pytest.mark.slow  # four processes start and load torch: some ten seconds for them all


@pytest.mark.parametrize(("shape", "name"), CASES)
def test_outputs_and_input_gradients_are_those_of_the_joined_batch(seen, shape, name):
    steps, _ = expected(shape, name)
    for number, (y, dx, *_) in enumerate(steps):
        for place, whole in enumerate((y, dx)):
            parts = [seen[rank][shape, name][0][number][place] for rank in RANKS]
            assert [len(part) for part in parts] == list(SHARES)
            assert_close(np.concatenate(parts), whole)


@pytest.mark.parametrize(("shape", "name"), CASES)
def test_gradients_of_gamma_and_beta_add_up_to_those_of_the_joined_batch(seen, shape, name):
    steps, _ = expected(shape, name)
    for number, (_, _, *of_parameters) in enumerate(steps):
        for place, whole in enumerate(of_parameters, start=2):
            parts = [seen[rank][shape, name][0][number][place] for rank in RANKS]
            assert_close(np.sum(parts, axis=0), whole)
            assert not parts[2].any()  # of an empty share: they are local


@pytest.mark.parametrize(("shape", "name"), CASES)
def test_every_process_has_the_running_statistics_of_the_joined_batch(seen, shape, name):
    _, whole = expected(shape, name)
    for rank in RANKS:
        _, own = seen[rank][shape, name]
        assert own.keys() == whole.keys()
        for key in whole:
            assert_close(own[key], whole[key])
            np.testing.assert_array_equal(own[key], seen[0][shape, name][1][key])


def test_every_process_makes_two_calls_a_step_whatever_its_share(seen):
    assert [seen[rank]["calls"] for rank in RANKS] == [2 * 2 * len(CASES)] * len(SHARES)


def test_a_joined_batch_without_examples_changes_nothing(seen):
    for rank in RANKS:
        before, after, (y, dx, dgamma, dbeta) = seen[rank]["nothing"]
        for key in before:
            np.testing.assert_array_equal(after[key], before[key])
        assert y.shape == dx.shape == (0, C, 2)
        assert not dgamma.any()
        assert not dbeta.any()


def test_a_single_value_in_the_joined_batch_is_refused_by_all_and_leaves_no_trace(seen):
    for rank in RANKS:
        before, after, message = seen[rank]["one_value"]
        assert "Expected more than 1 value per channel" in message
        for key in before:
            np.testing.assert_array_equal(after[key], before[key])


def test_a_large_constant_channel_is_beta_to_the_last_bit_in_every_process(seen):
    for rank in RANKS:
        assert (seen[rank]["constant"] == 0.5).all()


def test_evaluation_needs_nobody_else(seen):
    assert seen[0]["evaluated"].shape == (2, C)


def test_half_precision_is_rounded_only_at_the_end(seen):
    x, dy = batch(SHAPES["rows"])[0].bfloat16().double()
    x.requires_grad_()
    y = nn.BatchNorm1d(C, dtype=torch.float64)(x)
    y.backward(dy)
    for place, whole in enumerate((y.detach(), x.grad)):
        got = np.concatenate([seen[rank]["half"][place] for rank in RANKS])
        np.testing.assert_allclose(got, whole, rtol=2**-8, atol=1e-5)


def test_a_converted_net_trains_as_one_net_on_the_joined_batch(seen):
    pairs = [(x, dy[:, :2]) for x, dy in batch(SHAPES["images"])]
    steps, whole = steps_of(net(), pairs)
    for number, (y, dx, *gradients) in enumerate(steps):
        of_processes = [seen[rank]["converted"][0][number] for rank in RANKS]
        assert_close(np.concatenate([got[0] for got in of_processes]), y)
        assert_close(np.concatenate([got[1] for got in of_processes]), dx)
        for place, gradient in enumerate(gradients, start=2):
            assert_close(np.sum([got[place] for got in of_processes], axis=0), gradient)
    for rank in RANKS:
        for key, value in seen[rank]["converted"][1].items():
            assert_close(value, whole[key])


def test_a_group_shares_among_its_members_only(seen):
    x = batch(SHAPES["images"])[0, 0]
    for members, part in (((0, 1), x[:8]), ((2, 3), x[8:])):
        plain = BatchNorm2d(C, dtype=torch.float64)
        plain(part)
        for rank in members:
            assert_close(seen[rank]["in_pairs"]["running_var"], plain.running_var)


# In this process alone


def test_two_shares_by_pencil():
    # 1, 3 has mean 2 and squares 2; 8 has mean 8 and none; 1, 3, 8 has mean 4 and 9 + 1 + 16 = 26.
    a, b = moments(torch.tensor([[1.0], [3.0]])), moments(torch.tensor([[8.0]]))
    count, mean, squares = merged(a, b)
    assert (count.item(), mean.item(), squares.item()) == (3, 4, 26)


def test_nobody_adds_nothing_on_either_side():
    some, none = moments(batch((4, C))[0, 0]), moments(torch.zeros(0, C))
    for both in (merged(some, none), merged(none, some)):
        for one, other in zip(both, some, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert merged(none, none).count == 0


def test_far_from_zero_the_merged_squares_keep_their_digits():
    # Shares at distance d = 1: squares between are n_a n_b / n d² = 1, whatever is added to both.
    two, still = torch.tensor(2.0), torch.zeros(1)
    far = [
        Moments(two, torch.tensor([mean], dtype=torch.float64), still) for mean in (1e9, 1e9 + 1)
    ]
    assert merged(*far).squares.item() == 1.0


def test_without_a_process_group_it_is_plain_batch_norm():
    plain, shared = (layer_of(kind, "usual") for kind in (BatchNorm2d, SyncBatchNorm))
    pairs = batch(SHAPES["images"])
    (a, state_a), (b, state_b) = steps_of(plain, pairs), steps_of(shared, pairs)
    for of_a, of_b in zip(a, b, strict=True):
        for one, other in zip(of_a, of_b, strict=True):
            np.testing.assert_array_equal(one, other)
    for key in state_a:
        np.testing.assert_array_equal(state_a[key], state_b[key])


@pytest.mark.parametrize("kind", [nn.BatchNorm2d, BatchNorm2d])
@pytest.mark.parametrize("name", ["usual", "bare", "no-running", "plain-mean"])
def test_conversion_keeps_weights_statistics_settings_mode_and_names(kind, name):
    model = nn.Sequential(nn.Conv2d(2, C, 1), nn.ModuleDict({"norm": layer_of(kind, name)}))
    model[1]["norm"].eval()
    old, before = model[1]["norm"], copy.deepcopy(model.state_dict())
    owned = dict(model.named_parameters())
    new = SyncBatchNorm.convert_sync_batchnorm(model)[1]["norm"]
    assert type(new) is SyncBatchNorm
    for setting in ("num_features", "eps", "momentum", "affine", "track_running_stats", "training"):
        assert getattr(new, setting) == getattr(old, setting)
    assert not new.training
    assert model[0].training
    assert list(model.state_dict()) == list(before)
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)
    assert all(parameter is owned[key] for key, parameter in model.named_parameters())


def test_a_layer_that_is_there_twice_is_one_layer_after_conversion():
    shared = BatchNorm1d(C)
    model = SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(shared, nn.ReLU(), shared))
    assert type(model[0]) is SyncBatchNorm
    assert model[0] is model[2]


def test_a_single_layer_comes_back_converted_and_another_module_as_it_is():
    group = object()
    converted = SyncBatchNorm.convert_sync_batchnorm(BatchNorm1d(C, backend="graph"), group)
    assert converted.process_group is group
    assert converted.backend == "graph"
    other = nn.Linear(2, 2)
    assert SyncBatchNorm.convert_sync_batchnorm(other) is other


def test_a_vector_is_refused():
    with pytest.raises(ValueError, match="at least 2D"):
        SyncBatchNorm(C)(torch.zeros(C))
