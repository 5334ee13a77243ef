"""Deep sigmoid nets, on digits."""

from dataclasses import fields, replace

import pytest
import torch

from bnkit import claims, store
from bnkit.experiments.deep_sigmoid import ARMS, DeepSigmoid, net, run, summary
from bnkit.rows import Row

SHORT = {
    "data_set": "digits",
    "width": 12,
    "num_hidden": 3,
    "num_steps": 30,
    "looks": (10,),
    "rates": (0.1, 1.0),
    "batch_size": 20,
}
SEEDS = (3, 0)


@pytest.fixture(scope="module")
def rows():
    return run(replace(ARMS["batch-10"], **SHORT), SEEDS)


def select(rows, name, seed):
    return {row.step: row.value for row in rows if row.name == name and row.seed == seed}


def test_every_rate_has_its_curve_and_every_seed_its_judged_numbers(rows):
    for seed in SEEDS:
        for rate in ("0.1", "1"):
            assert list(select(rows, f"test_accuracy@{rate}", seed)) == [10, 30]
            assert list(select(rows, f"validation_accuracy@{rate}", seed)) == [30]
        for name in ("best_rate", "test_accuracy", "validation_accuracy"):
            assert list(select(rows, name, seed)) == [30]
        assert select(rows, "test_accuracy", seed)[30] > 0.4  # it learns


def test_the_best_rate_is_chosen_on_validation_and_judged_on_test():
    values = {
        "validation_accuracy@0.1": 0.3,
        "validation_accuracy@1": 0.4,
        "test_accuracy@0.1": 0.9,
        "test_accuracy@1": 0.2,
    }
    made = [Row(0, 30, name, value, "fraction") for name, value in values.items()]
    early = [Row(0, 10, "test_accuracy@1", 0.8, "fraction")]
    other = [row._replace(seed=1, value=0.5) for row in made]
    found = summary(replace(ARMS["none-10"], **SHORT), 0, made + early + other)
    assert {row.name: row.value for row in found} == {
        "best_rate": 1.0,
        "test_accuracy": 0.2,
        "validation_accuracy": 0.4,
    }


def test_scaled_weights_make_a_net_of_tanh_units():
    spec = replace(ARMS["none-scaled-10"], **SHORT)
    model = net(spec, 8, 10, SEEDS)
    plain = net(replace(spec, init="lecun"), 8, 10, SEEDS)
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    h = x.T.expand(2, -1, -1)
    for index, linear in enumerate(plain.linears):
        # 4 W (sigmoid(z) - 1/2) = 2 W tanh(z / 2)
        h = linear.weight @ h if index == 0 else 2.0 * linear.weight @ torch.tanh(h / 2)
    torch.testing.assert_close(model(x), h.transpose(1, 2), rtol=1e-4, atol=1e-5)


def size_at_the_top(arm):
    """Spread over examples of the last hidden layer's inputs, 20 layers up."""
    model = net(ARMS[arm], 8, 10, [0])
    x = torch.randn(50, 8, generator=torch.Generator().manual_seed(1))
    seen = []
    model.activations[-1].register_forward_hook(lambda module, args, out: seen.append(args[0]))
    with torch.no_grad():
        model(x)
    return float(seen[0].std(dim=2).mean())


def test_a_signal_dies_on_its_way_up_unless_weights_are_scaled():
    assert size_at_the_top("none-20") < 1e-6
    assert size_at_the_top("none-scaled-20") > 0.1


@pytest.mark.parametrize("arm", ["none-10", "batch-10", "none-scaled-10"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(ARMS[arm], **SHORT)
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_every_arm_and_metric_that_the_claim_names_is_there(rows):
    (claim,) = [c for c in claims.load().claims if c.experiment == "deep_sigmoid"]
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= {row.name for row in rows}


def test_the_arms_differ_in_normalizer_weights_and_depth():
    free = {"norm": "none", "init": "lecun", "num_hidden": 10}
    assert {replace(spec, **free) for spec in ARMS.values()} == {ARMS["none-10"]}
    assert sorted({spec.num_hidden for spec in ARMS.values()}) == [10, 20]


def test_the_keys_are_pinned():
    assert store.spec_key(ARMS["none-10"]) == "51683574abc9"
    assert len(fields(DeepSigmoid)) == 9
