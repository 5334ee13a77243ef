from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.func import jacrev

from bnkit import claims, store
from bnkit.experiments.fisher_by_width import ARMS, NONE, draw, measure, net, run, top

SMALL = replace(NONE, widths=(6,), num_outputs=3, accuracy=1e-10)


def dense(spec, inputs, parameters):
    """F from every entry of J."""
    blocks = jacrev(net(spec, inputs), argnums=tuple(range(len(parameters))))(*parameters)
    jacobian = torch.cat([block.flatten(2) for block in blocks], dim=2)  # (T, C, P)
    return torch.einsum("tcp,tcq->pq", jacobian, jacobian) / len(inputs)


@pytest.mark.parametrize("normalized", ["nothing", "hidden", "output"])
@pytest.mark.parametrize("num_hidden", [1, 2])
def test_the_largest_eigenvalue_of_the_dense_matrix(normalized, num_hidden):
    spec = replace(SMALL, normalized=normalized, num_hidden=num_hidden)
    inputs, parameters = draw(spec, 6, np.random.default_rng(0))
    exact = torch.linalg.eigvalsh(dense(spec, inputs, parameters))[-1]
    found = top(net(spec, inputs), parameters, spec.accuracy, np.random.default_rng(1))
    assert found == pytest.approx(float(exact), rel=1e-8)


def test_a_linear_map_by_pencil():
    # f = w x + b with x = 1 and 3: ∇f = (x, 1), F = [[5, 2], [2, 1]], eigenvalues 3 ± √8. A second
    # output has parameters of its own and changes nothing.
    spec = replace(SMALL, num_hidden=0, num_outputs=2)
    inputs = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    parameters = (torch.ones(2, 1, dtype=torch.float64), torch.zeros(2, dtype=torch.float64))
    found = top(net(spec, inputs), parameters, 1e-10, np.random.default_rng(0))
    assert found == pytest.approx(3 + 8**0.5)


def test_bn_is_where_the_arm_says():
    _, parameters = draw(SMALL, 6, np.random.default_rng(0))
    inputs = torch.from_numpy(np.random.default_rng(2).standard_normal((7, 6)))
    seen = {}
    for name in ("nothing", "hidden", "output"):
        y = net(replace(SMALL, normalized=name), inputs)(*parameters)
        scaled = net(replace(SMALL, normalized=name), inputs)(9 * parameters[0], *parameters[1:])
        normal = y.mean(0).abs().max() < 1e-12 and (y.var(0, correction=0) - 1).abs().max() < 1e-12
        seen[name] = bool(normal), bool((scaled - y).abs().max() < 1e-12)
    # BN in the hidden layers is blind to the scale of the first weights; at the output too, since
    # ReLU with biases of 0 hands a scale on.
    assert seen == {"nothing": (False, False), "hidden": (False, True), "output": (True, True)}


def test_weights_are_those_of_he_and_examples_are_in_proportion():
    inputs, parameters = draw(NONE, 200, np.random.default_rng(0))
    assert inputs.shape == (200, 200)
    assert [tuple(p.shape) for p in parameters[::2]] == [(200, 200), (200, 200), (10, 200)]
    assert float(parameters[0].var()) == pytest.approx(2 / 200, rel=0.02)
    assert not any(p.any() for p in parameters[1::2])


def test_the_eigenvalue_of_the_plain_net_is_that_of_the_mean():
    # Projected on the mean over examples of each output, F has nearly all of its top eigenvalue,
    # and without that mean it has little: what BN at the output takes away.
    inputs, parameters = draw(NONE, 64, np.random.default_rng(0))
    spec = replace(NONE, num_outputs=1, num_hidden=1)
    parameters = (parameters[0], parameters[1], parameters[4][:1], parameters[5][:1])
    outputs = net(spec, inputs)
    gradient = jacrev(lambda *p: outputs(*p).mean(), argnums=(0, 1, 2, 3))(*parameters)
    of_mean = sum(float(g.square().sum()) for g in gradient)

    def centered(*p):
        return outputs(*p) - outputs(*p).mean(0)

    whole, rest = (top(f, parameters, 1e-6, np.random.default_rng(0)) for f in (outputs, centered))
    assert whole == pytest.approx(of_mean, rel=0.1)
    assert rest < whole / 3


def test_a_seed_has_the_same_rows_whichever_others_are_run():
    spec = replace(SMALL, widths=(4, 6))
    both = run(spec, [3, 4])
    assert [row for row in both if row.seed == 4] == run(spec, [4])
    assert {row.name for row in both} == {"fisher_top@4", "fisher_top@6"}
    assert measure(spec, np.random.default_rng(3))["fisher_top@4"] == both[0].value


def test_every_arm_and_metric_that_the_claim_names_is_there():
    (claim,) = (c for c in claims.load().claims if c.experiment == "fisher_by_width")
    assert claim.id == "J13"
    names = {f"fisher_top@{width}" for width in NONE.widths}
    for operand in claim.rule.operands:
        assert operand.arm in ARMS
        assert operand.metric in names


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert [store.spec_key(spec) for spec in ARMS.values()] == [
        "b6e5a823de5d",
        "8aeaf64e7cd0",
        "045895c091db",
    ]
