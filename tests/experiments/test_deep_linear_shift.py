"""The deep linear net, shallow and for some steps: the same code, rows and names as the record."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from bnkit import claims, experiments, store
from bnkit.experiments import deep_linear_shift as module
from bnkit.experiments.deep_linear_shift import ARMS, BATCH, NONE, condensed, run
from bnkit.models import DeepLinear

SHORT = {
    "depth": 5,
    "width": 4,
    "num_examples": 50,
    "num_steps": 20,
    "num_looks": 5,
    "judged_layers": (3, 4),
    "other_layers": (2,),
    "rate": 1e-4,
}
SEEDS = (3, 0)


@pytest.fixture(scope="module", params=[NONE, BATCH], ids=["none", "batch"])
def arm(request):
    spec = replace(request.param, **SHORT)
    return spec, run(spec, SEEDS)


def curve(rows, name, seed):
    return {row.step: row.value for row in rows if (row.name, row.seed) == (name, seed)}


def full_sample(spec, seed):
    """What `problems` draws, before it is condensed."""
    generator = torch.Generator().manual_seed(2_000_003 + seed)
    shape = (spec.num_examples + spec.width, spec.width)
    drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
    x, matrix = drawn[: spec.num_examples], drawn[spec.num_examples :]
    return x, x @ matrix.T


def test_few_examples_with_the_mean_and_covariance_of_many():
    x = torch.randn(50, 3, dtype=torch.float64) @ torch.randn(3, 3, dtype=torch.float64) + 2.0
    few = condensed(x, 5)
    np.testing.assert_allclose(few.mean(0), x.mean(0), rtol=1e-12)
    covariances = [np.cov(each.T, bias=True) for each in (few, x)]
    np.testing.assert_allclose(*covariances, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_loss_and_gradients_are_those_of_the_whole_sample(norm):
    spec = replace(NONE, norm=norm)
    model = DeepLinear(spec.width, spec.depth, [7], norm=norm).double()
    x, y = full_sample(spec, 7)
    in_words = (model(x)[0] - y).square().mean(dim=1).sum()  # mean over outputs, sum over examples
    few_x, few_y = module.problems(spec, [7])
    assert few_x.shape == few_y.shape == (1, 12, 10)
    ours = module.summed_squares(spec.num_examples)(model(few_x), few_y)[0]
    assert float(ours.detach()) == pytest.approx(float(in_words.detach()), rel=1e-12)
    few, whole = (
        torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])
        for loss in (ours, in_words)
    )
    assert float((few - whole).norm()) <= 1e-9 * float(whole.norm())


def test_the_shift_at_the_start_by_hand_on_the_whole_sample(arm):
    spec, rows = arm
    model = DeepLinear(spec.width, spec.depth, [3], norm=spec.norm).double()
    x, y = full_sample(spec, 3)

    def gradients(net):
        net.zero_grad()
        (net(x)[0] - y).square().mean(dim=1).sum().backward()
        return {name: p.grad.clone() for name, p in net.named_parameters()}

    before, moved = gradients(model), copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in moved.named_parameters():
            if int(name.split(".")[1]) < 2:  # layers 1 and 2, with gamma and beta
                parameter -= spec.rate * before[name]
    shift = gradients(moved)["linears.2.weight"] - before["linears.2.weight"]
    assert curve(rows, "shift-3_l2", 3)[0] == pytest.approx(float(shift.norm()), rel=1e-6)


def test_judged_numbers_are_the_last_loss_and_the_geometric_mean_of_the_judged_layers(arm):
    _, rows = arm
    for seed in SEEDS:
        shifts = [v for layer in (3, 4) for v in curve(rows, f"shift-{layer}_l2", seed).values()]
        assert curve(rows, "gradient_shift_l2", seed) == {
            20: pytest.approx(np.prod(shifts) ** (1 / len(shifts)))
        }
        assert curve(rows, "train_loss", seed) == {20: curve(rows, "loss", seed)[20]}
        assert list(curve(rows, "shift-2_cosine", seed)) == [0, 1, 2, 4, 9, 20]


def test_the_net_learns(arm):
    _, rows = arm
    for seed in SEEDS:
        losses = curve(rows, "loss", seed)
        assert losses[20] < 0.99 * losses[0]


def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec, rows = arm
    assert run(spec, [0]) == [row for row in rows if row.seed == 0]


def test_looks_are_evenly_spaced_on_a_logarithmic_scale():
    looks = module.log_spaced(10_000, 40)
    assert looks[:4] == [0, 1, 2, 3]
    assert looks[-1] == 10_000
    assert 35 <= len(looks) <= 41
    late = [step for step in looks if step >= 30]
    ratios = np.divide(late[1:], late[:-1])
    assert ratios.max() / ratios.min() < 1.05


def test_every_arm_and_metric_that_a_claim_names_is_there(arm):
    _, rows = arm
    (claim,) = [c for c in claims.load().claims if c.experiment == "deep_linear_shift"]
    assert claim.id == "E4"
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= {row.name for row in rows}


def test_the_arms_differ_in_nothing_but_the_normalizer_and_the_rate():
    assert {replace(spec, norm="none", rate=1e-6) for spec in ARMS.values()} == {NONE}
    assert (ARMS["batch@1e-07"].norm, ARMS["batch@1e-07"].rate) == ("batch", 1e-7)
    assert experiments.find("deep_linear_shift").ARMS is ARMS


def test_the_spec_is_that_of_the_paper_where_it_is_known():
    # Santurkar et al. (2018), figure 3: 25 layers, layers 9 and 17, rates 1e-6 and 1e-7
    assert (NONE.depth, NONE.judged_layers) == (25, (9, 17))
    assert {spec.rate for spec in ARMS.values()} == {1e-6, 1e-7}


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(NONE) == "1f3d78675ff1"
    assert store.spec_key(BATCH) == "51ef92a75421"
