"""The written-out step: what automatic differentiation and SGD do, and each seed on its own."""

from itertools import islice

import pytest
import torch

from bnkit.models import StackedMLP, StackedStep
from bnkit.models.activations import StackedPReLU
from bnkit.train import stacked_batches, train

SIZES = (13, 7, 5, 3)
SEEDS = (4, 0, 7)
RATE = 0.3
ARMS = [
    {"norm": norm, "activation": activation, "placement": placement, "affine": affine}
    for activation in ("sigmoid", "tanh", "relu", "leaky_relu", "prelu", "elu", "identity")
    for norm, placement, affine in [
        ("none", "before", True),
        ("batch", "before", True),
        ("batch", "after", True),
        ("batch", "before", False),
        ("batch", "after", False),
    ]
]


def batches(seeds, dtype):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(60, SIZES[0], generator=generator, dtype=dtype)
    y = torch.randint(SIZES[-1], (60,), generator=generator)
    return stacked_batches(x, y, batch_size=11, seeds=seeds)


def trained(seeds, arm, *, by_hand, num_steps=7, dtype=torch.float32):
    model = StackedMLP(SIZES, seeds, **arm).to(dtype)
    step = StackedStep(model) if by_hand else None
    train(model, batches(seeds, dtype), seeds=seeds, rate=RATE, num_steps=num_steps, step=step)
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


@pytest.mark.parametrize("arm", ARMS, ids=str)
def test_a_few_steps_end_where_automatic_differentiation_ends(arm):
    ours = trained(SEEDS, arm, by_hand=True, dtype=torch.float64)
    theirs = trained(SEEDS, arm, by_hand=False, dtype=torch.float64)
    for name, tensor in theirs.items():
        torch.testing.assert_close(
            ours[name], tensor, rtol=1e-11, atol=1e-13, msg=lambda text, name=name: f"{name} {text}"
        )


@pytest.mark.parametrize("arm", ARMS, ids=str)
def test_a_seed_is_bit_for_bit_what_it_is_alone(arm):
    together = trained(SEEDS, arm, by_hand=True)
    for place, seed in enumerate(SEEDS):
        for name, tensor in trained((seed,), arm, by_hand=True).items():
            of_seed = together[name]
            if tensor.dim():
                of_seed = of_seed.detach().view(len(SEEDS), -1)[place]
            assert torch.equal(of_seed, tensor.detach().view(of_seed.shape)), name


def test_it_returns_the_losses_before_the_step():
    model = StackedMLP(SIZES, SEEDS, norm="batch", activation="tanh").double()
    inputs, targets = next(islice(batches(SEEDS, torch.float64), 1))
    logits = model(inputs).detach()
    expected = [
        torch.nn.functional.cross_entropy(own, wanted)
        for own, wanted in zip(logits, targets, strict=True)
    ]
    found = StackedStep(model)(inputs, targets, RATE)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-12, atol=0)


def test_a_seed_that_diverges_leaves_the_others_alone():
    arm = {"norm": "batch", "activation": "relu", "placement": "after"}

    def two_steps(seeds, broken):
        model = StackedMLP(SIZES, seeds, **arm)
        if broken is not None:
            model.linears[-1].weight.data[broken] = float("inf")
        step = StackedStep(model)
        rows = train(
            model, batches(seeds, torch.float32), seeds=seeds, rate=RATE, num_steps=2, step=step
        )
        return model, {row.seed for row in rows if row.name == "diverged"}

    together, diverged = two_steps((4, 0), broken=1)
    alone, _ = two_steps((4,), broken=None)
    assert diverged == {0}
    for ours, theirs in zip(together.linears, alone.linears, strict=True):
        assert torch.equal(ours.weight[0], theirs.weight[0])


def test_a_nonlinearity_without_a_written_out_step_is_refused():
    model = StackedMLP(SIZES, SEEDS, norm="none", activation="relu")
    model.activations[1] = torch.nn.GELU()
    with pytest.raises(ValueError, match="train without `step`"):
        StackedStep(model)


def test_the_slopes_of_prelu_by_pencil():
    # x = -2, 3 with a = 1/4: y = -1/2, 3; the sum of y grows by x where x < 0 per unit of a
    prelu = StackedPReLU(1, 1)
    y = prelu(torch.tensor([[[-2.0, 3.0]]]))
    y.sum().backward()
    assert y.flatten().tolist() == [-0.5, 3.0]
    assert float(prelu.weight.grad) == -2.0


@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("norm", ["group", "layer"])
def test_group_and_layer_norm_too_end_where_automatic_differentiation_ends(norm, affine, placement):
    def ended(seeds, by_hand, dtype):
        model = StackedMLP(
            (13, 20, 10, 3),
            seeds,
            norm=norm,
            activation="tanh",
            affine=affine,
            placement=placement,
        ).to(dtype)
        step = StackedStep(model) if by_hand else None
        train(model, batches(seeds, dtype), seeds=seeds, rate=RATE, num_steps=7, step=step)
        return list(model.parameters())

    pairs = zip(ended(SEEDS, True, torch.float64), ended(SEEDS, False, torch.float64), strict=True)
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    together = ended(SEEDS, True, torch.float32)
    for ours, alone in zip(together, ended((7,), True, torch.float32), strict=True):
        assert torch.equal(ours[2], alone[0])
