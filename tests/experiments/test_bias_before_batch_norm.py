"""A bias in front of BN: nothing else moves because of it, and that is seen where it would."""

from dataclasses import replace

from bnkit import store
from bnkit.data import load
from bnkit.experiments.bias_before_batch_norm import ARMS, add_biases, network, run

SPEC = replace(ARMS["trials"], num_steps=40)


def of(rows, seed):
    return {row.name: row.value for row in rows if row.seed == seed}


def test_the_two_nets_are_the_same_and_have_learned():
    values = of(run(ARMS["trials"], [5]), 5)
    assert values["max_error"] < 1e-11
    assert values["bias_moved"] < 1e-11
    assert values["output_difference"] < 1e-9
    assert values["parameters_moved"] > 0.1  # it is not that nothing happened


def test_only_a_young_running_mean_has_not_yet_learned_the_bias():
    """It begins at 0, and 0.9 ** 40 = 0.015 of that beginning is left after 40 steps."""
    values = of(run(SPEC, [0]), 0)
    assert values["max_error"] < 1e-11
    assert 1e-4 < values["output_difference"] < 0.2


def test_a_net_whose_normalizer_stands_elsewhere_is_told_apart(monkeypatch):
    """Behind the nonlinearity BN does not subtract the bias: the same measurement must see it."""
    from bnkit.experiments import bias_before_batch_norm as module

    def behind(spec, data, seed):
        model = network(spec, data, seed)
        model.placement = "after"
        return model

    monkeypatch.setattr(module, "network", behind)
    values = of(run(SPEC, [0]), 0)
    assert values["max_error"] > 1e-3
    assert values["bias_moved"] > 1e-3


def test_biases_are_random_and_the_weights_are_the_same():
    data = load("digits")
    with_bias, without = network(SPEC, data, 3), network(SPEC, data, 3)
    drawn = add_biases(with_bias, 2.0, 3)
    assert [tuple(b.shape) for b in drawn] == [(1, 30, 1), (1, 30, 1)]
    assert 1.2 < float(drawn[0].std()) < 2.8
    for ours, theirs in zip(with_bias.linears, without.linears, strict=True):
        assert ours.weight.equal(theirs.weight)
    assert without.linears[0].bias is None


def test_the_key_is_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(ARMS["trials"]) == "aa5faf1cc5e6"
