"""Updates that leave later moments alone: that they do, that nothing else is touched, and a run."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.experiments.moment_preserving_updates import (
    ARMS,
    NONE,
    MomentPreservingStep,
    largest_stable_rate,
    run,
)
from bnkit.models import StackedMLP, StackedStep
from bnkit.train import cross_entropy

SHORT = {
    "data_set": "digits",
    "depth": 3,
    "width": 20,
    "num_steps": 40,
    "first_rate": 0.01,
    "num_rates": 4,
    "rates_per_decade": 1,
    "num_loss_examples": 200,
}
SEEDS = (3, 0)


def example(hidden=(8, 6, 4), num=20):
    """A net of two seeds in float64 that is not at its beginning, and a batch."""
    model = StackedMLP((5, *hidden, 3), SEEDS, norm="none", activation="relu", init="he").double()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for linear in model.linears:
            noise = torch.randn(linear.bias.shape, generator=generator, dtype=torch.float64)
            linear.bias.add_(noise, alpha=0.3)
    x = torch.randn(2, num, 5, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (2, num), generator=generator)
    return model, x, y


def preactivations(linears, x):
    """Of all layers, in NumPy: [(K, C, N)], and the inputs that make them."""
    h, found, inputs = x.numpy().transpose(0, 2, 1), [], []
    for linear in linears:
        inputs.append(h)
        found.append(linear[0] @ h + linear[1])
        h = np.maximum(found[-1], 0)
    return found, inputs


def weights(model):
    return [
        (linear.weight.detach().numpy().copy(), linear.bias.detach().numpy().copy())
        for linear in model.linears
    ]


@pytest.mark.parametrize("blocked", [True, False])
def test_hidden_moments_are_those_of_new_own_weights_on_old_inputs(blocked):
    model, x, y = example()
    old = weights(model)
    step = MomentPreservingStep(model, blocked=blocked)
    uncorrected, _, _ = example()
    twin = MomentPreservingStep(uncorrected, blocked=blocked)
    twin._restore_moments = lambda before: None
    losses = step(x, y, 0.5)
    torch.testing.assert_close(losses, twin(x, y, 0.5))
    new = weights(uncorrected)
    _, old_inputs = preactivations(old, x)
    reached, _ = preactivations(weights(model), x)
    without, _ = preactivations(new, x)
    for layer in (1, 2):
        wanted = new[layer][0] @ old_inputs[layer] + new[layer][1]
        for moment in (np.mean, np.std):
            np.testing.assert_allclose(
                moment(reached[layer], axis=2), moment(wanted, axis=2), rtol=1e-9, atol=1e-12
            )
            # The pull was there before it was taken away.
            assert np.abs(moment(without[layer], axis=2) - moment(wanted, axis=2)).max() > 0.01
    # The first layer has none before it, and the head is left as it is.
    for layer in (0, -1):
        assert np.array_equal(weights(model)[layer][0], new[layer][0])


def test_a_correction_is_one_factor_and_one_shift_a_channel():
    model, x, y = example()
    MomentPreservingStep(model, blocked=True)(x, y, 0.5)
    uncorrected, _, _ = example()
    twin = MomentPreservingStep(uncorrected, blocked=True)
    twin._restore_moments = lambda before: None
    twin(x, y, 0.5)
    ratio = model.linears[1].weight / uncorrected.linears[1].weight
    torch.testing.assert_close(ratio, ratio[:, :, :1].expand_as(ratio))
    assert (ratio > 0).all()


@pytest.mark.parametrize("blocked", [True, False])
def test_with_one_hidden_layer_it_is_the_usual_step(blocked):
    model, x, y = example(hidden=(8,))
    usual, _, _ = example(hidden=(8,))
    MomentPreservingStep(model, blocked=blocked)(x, y, 0.5)
    StackedStep(usual)(x, y, 0.5)
    for mine, other in zip(model.parameters(), usual.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


def test_the_blocked_gradient_is_that_of_the_loss_behind_the_correction():
    """Central differences of "move all parameters a little, correct, and look at the loss"."""
    model, x, y = example()
    step = MomentPreservingStep(model, blocked=True)
    layer_inputs, logits = step._forward(x.transpose(1, 2))
    parameters = list(model.parameters())
    loss = cross_entropy(logits.transpose(1, 2), y).sum()
    gradients = torch.autograd.grad(loss, parameters)
    start = [p.detach().clone() for p in parameters]
    generator = torch.Generator().manual_seed(1)

    def loss_behind(directions, distance):
        with torch.no_grad():
            for p, values, v in zip(parameters, start, directions, strict=True):
                p.copy_(values + distance * v)
            step._restore_moments(layer_inputs)
            return float(cross_entropy(model(x), y).sum())

    unmoved, _, _ = example()
    blind = torch.autograd.grad(cross_entropy(unmoved(x), y).sum(), list(unmoved.parameters()))
    differs = 0
    for _ in range(5):
        v = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in start]
        found = (loss_behind(v, 1e-6) - loss_behind(v, -1e-6)) / 2e-6
        expected = sum(float((g * w).sum()) for g, w in zip(gradients, v, strict=True))
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
        usual = sum(float((g * w).sum()) for g, w in zip(blind, v, strict=True))
        differs += abs(usual - expected) > 0.01
    assert differs >= 4  # the usual gradient does not know of the correction


def test_a_channel_without_spread_keeps_its_weights_finite():
    model, x, y = example()
    with torch.no_grad():
        model.linears[0].bias.fill_(-1e3)  # all units of the first layer are dead
    MomentPreservingStep(model, blocked=True)(x, y, 0.1)
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_the_largest_stable_rate_ends_the_first_unbroken_row():
    inf = float("inf")
    # Too slow, stable, stable, diverged, stable by chance.
    assert largest_stable_rate({1.0: 0.8, 2.0: 0.4, 4.0: 0.1, 8.0: inf, 16.0: 0.3}) == 4.0
    assert largest_stable_rate({2.0: 0.5, 1.0: 0.4999}) == 1.0
    assert largest_stable_rate({1.0: 0.6, 2.0: inf}) == 0.0
    assert largest_stable_rate({1.0: 0.1, 2.0: 0.1}) == 2.0


def test_the_grid_has_its_ends():
    assert NONE.rates[:3] == [0.001, 0.00133, 0.00178]
    assert NONE.rates[8::8] == [0.01, 0.1, 1.0, 10.0, 100.0]
    assert len(set(NONE.rates)) == 41


@pytest.fixture(scope="module")
def rows():
    return {arm: run(replace(spec, **SHORT), SEEDS) for arm, spec in ARMS.items()}


def test_every_judged_number_is_there_once_a_seed(rows):
    for rule in claims.load().claim("E7").rules.values():
        for arm, metric in rule.operands:
            found = [row for row in rows[arm] if row.name == metric]
            assert [(row.seed, row.step) for row in found] == [(3, 40), (0, 40)]


def test_shares_are_of_the_loss_before_training_and_rates_are_on_the_grid(rows):
    for of_arm in rows.values():
        for seed in SEEDS:
            found = {row.name: row.value for row in of_arm if row.seed == seed}
            shares = {rate: found[f"loss_share@{rate:g}"] for rate in (0.01, 0.1, 1.0, 10.0)}
            assert found["largest_stable_rate"] == largest_stable_rate(shares)
            assert found["grid_ends"] == (found["largest_stable_rate"] == 10.0)
    slow = [row.value for row in rows["none"] if row.name == "loss_share@0.01"]
    assert 0.5 < min(slow) < max(slow) < 1.0
    assert max(row.value for row in rows["none"] if row.name == "loss_share@0.1") < 0.5


@pytest.mark.parametrize("arm", ARMS)
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm, rows):
    spec = replace(ARMS[arm], **SHORT)
    for seed in SEEDS:
        assert [row for row in rows[arm] if row.seed == seed] == run(spec, [seed])


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert {arm: store.spec_key(spec) for arm, spec in ARMS.items()} == {
        "none": "2fcbce28536a",
        "none-projected": "e0c64893c6cc",
        "none-undone": "758e76eebb7e",
        "batch": "37e66581be0a",
    }
