"""Other ways to step: each against automatic differentiation, and each seed on its own."""

from itertools import islice

import pytest
import torch

from bnkit.models import StackedMLP, StackedStep
from bnkit.models.altered_step import (
    ClippedStep,
    ScaledHeadMLP,
    ScaledHeadStep,
    SharpnessAwareStep,
    SkippedStep,
    norms,
)
from bnkit.train import cross_entropy, stacked_batches

SIZES = (12, 8, 6, 4)
SEEDS = (4, 0, 7)
RATE = 0.3
NORMS = ("none", "batch")
WAYS = {
    "sam": lambda model: SharpnessAwareStep(model, 0.2),
    "seek": lambda model: SharpnessAwareStep(model, -0.2),
    "clipped": lambda model: ClippedStep(model, 0.3),
    "skipped": lambda model: SkippedStep(model, 3),
    "head": ScaledHeadStep,
}


def net(norm, seeds=SEEDS, way="", dtype=torch.float64):
    settings = {"norm": norm, "activation": "tanh"}
    if way == "head":
        return ScaledHeadMLP(SIZES, seeds, head_scale=4.0, **settings).to(dtype)
    return StackedMLP(SIZES, seeds, **settings).to(dtype)


def batches(seeds=SEEDS, dtype=torch.float64, num=4):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(60, SIZES[0], generator=generator, dtype=dtype)
    y = torch.randint(SIZES[-1], (60,), generator=generator)
    return list(islice(stacked_batches(x, y, batch_size=10, seeds=seeds), num))


def gradients(model, x, y):
    """Of each parameter, by automatic differentiation."""
    return torch.autograd.grad(cross_entropy(model(x), y).sum(), list(model.parameters()))


def seed_norms(parts):
    """Per seed, by hand: the parameters of a stack are (K, ...) or, folded, (K * C)."""
    return torch.cat([p.reshape(len(SEEDS), -1) for p in parts], dim=1).norm(dim=1)


def per_seed(values, like):
    return values.repeat_interleave(like.numel() // len(SEEDS)).view_as(like)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("radius", [0.2, -0.2])
def test_a_sharpness_aware_step_follows_the_gradient_found_uphill(norm, radius):
    ours, theirs = net(norm), net(norm)
    (x, y), *_ = batches()
    SharpnessAwareStep(ours, radius)(x, y, RATE)
    parameters = list(theirs.parameters())
    start = [p.detach().clone() for p in parameters]
    uphill = gradients(theirs, x, y)
    scale = radius / seed_norms(uphill)
    with torch.no_grad():
        for p, g in zip(parameters, uphill, strict=True):
            p += per_seed(scale, p) * g
    for p, s, g in zip(ours.parameters(), start, gradients(theirs, x, y), strict=True):
        torch.testing.assert_close(p.detach(), s - RATE * g, rtol=1e-9, atol=1e-11)


def test_running_statistics_see_the_batch_where_the_step_begins():
    aware, plain = net("batch"), net("batch")
    (x, y), *_ = batches()
    SharpnessAwareStep(aware, 0.5)(x, y, RATE)
    StackedStep(plain)(x, y, RATE)
    for ours, theirs in zip(aware.buffers(), plain.buffers(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("way", ["sam", "clipped"])
def test_a_radius_of_nothing_and_a_norm_beyond_reach_are_the_plain_step(norm, way):
    altered, plain = net(norm), net(norm)
    make = {"sam": lambda m: SharpnessAwareStep(m, 0.0), "clipped": lambda m: ClippedStep(m, 1e9)}
    one, other = make[way](altered), StackedStep(plain)
    for x, y in batches():
        torch.testing.assert_close(one(x, y, RATE), other(x, y, RATE), rtol=1e-9, atol=1e-12)
    for ours, theirs in zip(altered.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_a_clipped_step_is_as_long_as_the_rate_allows_and_keeps_its_direction(norm):
    model = net(norm)
    (x, y), *_ = batches()
    gradient = gradients(model, x, y)
    before = [p.detach().clone() for p in model.parameters()]
    lengths = seed_norms(gradient)
    largest = float(lengths.sort().values[1])  # one seed stays as it is, one is shortened
    ClippedStep(model, largest)(x, y, RATE)
    moved = [b - p.detach() for b, p in zip(before, model.parameters(), strict=True)]
    expected = RATE * lengths.clamp(max=largest)
    torch.testing.assert_close(seed_norms(moved), expected, rtol=1e-9, atol=0.0)
    for m, g in zip(moved, gradient, strict=True):
        share = per_seed(expected / lengths, g)
        torch.testing.assert_close(m, share * g, rtol=1e-8, atol=1e-12)


def test_one_step_in_three_is_taken():
    model, plain = net("batch"), net("batch")
    step, other = SkippedStep(model, 3), StackedStep(plain)
    given = batches(num=6)
    losses = [step(x, y, RATE) for x, y in given]
    for x, y in (given[0], given[3]):
        other(x, y, RATE)
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(losses[1], losses[0])
    assert not torch.equal(losses[3], losses[2])


@pytest.mark.parametrize("norm", NORMS)
def test_a_scaled_head_begins_as_the_same_function(norm):
    (x, _), *_ = batches()
    assert torch.equal(net(norm, way="head")(x), net(norm)(x))


@pytest.mark.parametrize("norm", NORMS)
def test_a_step_of_a_scaled_head_is_that_of_automatic_differentiation(norm):
    ours, theirs = net(norm, way="head"), net(norm, way="head")
    step = ScaledHeadStep(ours)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=RATE)
    for x, y in batches():
        losses = cross_entropy(theirs(x), y)
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
        torch.testing.assert_close(step(x, y, RATE), losses.detach(), rtol=1e-10, atol=0.0)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-11)


def test_a_scaled_head_is_more_curved_by_the_square_of_the_scale():
    # Softmax of s v for one unit of input 1: the second derivative by v is s² p (1 - p).
    (x, y), *_ = batches()
    plain, scaled = net("none"), net("none", way="head")
    curvature = []
    for model in (plain, scaled):
        head = model.linears[-1].bias
        loss = cross_entropy(model(x), y).sum()
        (first,) = torch.autograd.grad(loss, head, create_graph=True)
        (second,) = torch.autograd.grad(first[0, 0, 0], head)
        curvature.append(float(second[0, 0, 0]))
    assert curvature[1] == pytest.approx(16 * curvature[0], rel=1e-12)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("way", WAYS)
def test_a_seed_is_bit_for_bit_what_it_is_alone(norm, way):
    def trained(seeds):
        model = net(norm, seeds, way, torch.float32)
        step = WAYS[way](model)
        for x, y in batches(seeds, torch.float32):
            step(x, y, RATE)
        return {**dict(model.named_parameters()), **dict(model.named_buffers())}

    together = trained(SEEDS)
    for place, seed in enumerate(SEEDS):
        for name, tensor in trained((seed,)).items():
            of_seed = together[name].detach()
            if tensor.dim():
                of_seed = of_seed.reshape(len(SEEDS), -1)[place]
            assert torch.equal(of_seed, tensor.detach().reshape(of_seed.shape)), name


def test_norms_by_pencil():
    parts = [torch.tensor([[3.0], [0.0]]), torch.tensor([[0.0, 4.0], [5.0, 12.0]])]
    assert norms(parts).tolist() == [[5.0], [13.0]]


def test_a_seed_whose_gradient_is_0_stays_where_it_is():
    model = net("none")
    (x, y), *_ = batches()
    x, y = x[:, :8], y[:, :8].clone()
    y[1] = torch.arange(4).repeat(2)  # as many of each class, and weights that tell none apart
    with torch.no_grad():
        for p in model.parameters():
            p[1] = 0.0
    SharpnessAwareStep(model, 0.2)(x, y, 0.25)  # a rate that rounds nothing
    for p in model.parameters():
        assert torch.isfinite(p).all()
        assert not p[1].any()
        assert p[0].any()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ClippedStep(net("none"), 0.0), "largest 0.0"),
        (lambda: SkippedStep(net("none"), 0), "every 0"),
        (lambda: ScaledHeadMLP(SIZES, SEEDS, norm="none", activation="relu", head_scale=0), "scal"),
    ],
)
def test_a_dose_that_makes_no_sense_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
