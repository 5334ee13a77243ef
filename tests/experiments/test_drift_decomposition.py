"""Whose fault is the drift? The parts on nets where the answer is known, and a short run."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments.drift_decomposition import (
    ARMS,
    BATCH,
    PLAIN,
    PreactivationDrift,
    copy_earlier,
    donor,
    earlier,
    mean_drifts,
    run,
)
from bnkit.fully_connected import net
from bnkit.models import StackedMLP
from bnkit.rows import Row, StepEvent

SHORT = {
    "data_set": "digits",
    "widths": (20, 30, 10),
    "num_steps": 40,
    "drift_interval": 10,
    "num_probe_examples": 50,
    "rate": 0.5,
}
SEEDS = (3, 0)


def moved(norm, change, activation="sigmoid"):
    """{row name: (K,) values} of two looks at a small net, between which `change` is made."""
    model = StackedMLP((5, 6, 4, 8, 3), SEEDS, norm=norm, activation=activation).double()
    x = torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    probe = PreactivationDrift(x)
    assert probe(StepEvent(0, model, SEEDS, x, x, 0.1)) == []
    before = {name: p.clone() for name, p in model.state_dict().items()}
    with torch.no_grad():
        change(model)
    rows = probe(StepEvent(1, model, SEEDS, x, x, 0.1))
    buffers = dict(model.named_buffers())
    assert all(torch.equal(before[name], buffers[name]) for name in buffers)
    found = {}
    for row in rows:
        found.setdefault(row.name, []).append(row.value)
    return found, model, x


def test_a_shift_of_a_layers_own_bias_is_its_own_drift_by_pencil():
    found, _, _ = moved("none", lambda model: model.linears[1].bias.add_(0.3))
    for name in ("layer-2_raw", "layer-2_raw_own"):
        assert found[name] == pytest.approx([0.3, 0.3])
    assert found["layer-2_raw_earlier"] == [0.0, 0.0]
    # The layer behind it has not moved, but its inputs have: all of its drift is the earlier part.
    assert min(found["layer-3_raw"]) > 1e-3
    assert found["layer-3_raw"] == found["layer-3_raw_earlier"]
    assert found["layer-3_raw_own"] == [0.0, 0.0]
    assert found["layer-1_raw"] == [0.0, 0.0]


def test_the_first_layer_has_nothing_before_it():
    found, _, _ = moved("batch", lambda model: model.linears[0].weight.mul_(torch.rand(2, 6, 5)))
    assert min(found["layer-1_raw"]) > 1e-2
    assert found["layer-1_raw"] == found["layer-1_raw_own"]
    assert found["layer-1_raw_earlier"] == [0.0, 0.0]


def test_batch_norm_hides_the_scale_of_earlier_layers_and_shows_its_own():
    def change(model):
        for linear in model.linears[:2]:
            linear.weight.mul_(100.0)  # eps is then a smaller part still
        model.norms[2].bn.bias.add_(0.25)

    found, _, _ = moved("batch", change)
    assert max(found["layer-2_raw"]) < 1e-3
    assert found["layer-3_raw_own"] == pytest.approx([0.25, 0.25], abs=1e-3)
    assert max(found["layer-3_raw_earlier"]) < 1e-3


def test_parts_are_those_of_nets_put_together_by_hand():
    """Two moves at once, by matrix products and sorted values, unit by unit."""
    generator = torch.Generator().manual_seed(1)

    def change(model):
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(noise, alpha=0.1)

    found, new, x = moved("none", change)
    old = StackedMLP((5, 6, 4, 8, 3), SEEDS, norm="none", activation="sigmoid").double()
    for k in range(2):

        def second(first_from, second_from, k=k):
            w1, b1 = first_from.linears[0].weight[k], first_from.linears[0].bias[k]
            w2, b2 = second_from.linears[1].weight[k], second_from.linears[1].bias[k]
            return (w2 @ torch.sigmoid(w1 @ x.T + b1) + b2).detach().numpy()

        def distance(a, b):
            return np.abs(np.sort(a, axis=1) - np.sort(b, axis=1)).mean(axis=1)  # (C,)

        start, end = second(old, old), second(new, new)
        spread = np.sqrt((start.var(axis=1) + end.var(axis=1)) / 2)
        for part, there in {
            "": end,
            "_own": second(old, new),
            "_earlier": second(new, old),
        }.items():
            drift = distance(start, there)
            assert found[f"layer-2_raw{part}"][k] == pytest.approx(np.median(drift))
            assert found[f"layer-2_scaled{part}"][k] == pytest.approx(np.median(drift / spread))


@pytest.fixture(scope="module")
def rows():
    return run(replace(PLAIN, **SHORT), SEEDS)


def select(rows, name, seed):
    return {row.step: row.value for row in rows if row.name == name and row.seed == seed}


def test_every_judged_number_is_there(rows):
    names = {row.name for row in rows if row.step == 40} | {"steps_to_target"}
    for rule in claims.load().claim("E1").rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= names
    assert "test_accuracy" in names
    assert "validation_accuracy" in names
    for seed in SEEDS:
        assert list(select(rows, "layer-3_scaled_own", seed)) == [10, 20, 30, 40]
        values = [
            select(rows, f"layer-{i}_raw", seed)[s] for i in (1, 2, 3) for s in range(10, 41, 10)
        ]
        judged = select(rows, "preactivation_drift_raw", seed)
        assert judged == {40: pytest.approx(np.mean(values))}


def test_means_of_the_parts_leave_out_the_first_layer():
    rows = [
        Row(0, 10, f"layer-{i}_{unit}{part}", value, "1")
        for i, value in ((1, 100.0), (2, 2.0), (3, 4.0))
        for unit in ("raw", "scaled")
        for part in ("", "_own", "_earlier")
    ]
    found = {row.name: row.value for row in mean_drifts(rows, [0], 10)}
    assert found["preactivation_drift_raw"] == pytest.approx(106 / 3)
    assert {v for n, v in found.items() if n.endswith(("own", "earlier"))} == {3.0}
    assert len(found) == 6


@pytest.mark.parametrize(
    "arm", ["none", "batch-frozen-earlier", "none-copied", "batch-copied-frozen"]
)
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(ARMS[arm].spec, **{**SHORT, "num_steps": 20})
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_frozen_layers_stay_and_the_others_learn(norm):
    frozen = run(replace(ARMS[f"{norm}-frozen-earlier"].spec, **SHORT), SEEDS)
    for seed in SEEDS:
        for name in ("layer-1_raw", "layer-2_raw", "layer-3_raw_earlier"):
            assert set(select(frozen, name, seed).values()) == {0.0}
        assert min(select(frozen, "layer-3_raw_own", seed).values()) > 0
        loss = select(frozen, "validation_loss", seed)
        assert loss[40] < loss[0]


@pytest.mark.parametrize("arm", [PLAIN, BATCH])
def test_a_copy_has_the_donors_features_and_a_top_of_its_own(arm):
    spec, data = replace(arm, **SHORT), load("digits")
    source, fresh, copied = donor(spec, data, SEEDS), net(spec, data, SEEDS), net(spec, data, SEEDS)
    copy_earlier(source, copied)
    for mine, other in zip(earlier(copied), earlier(source), strict=True):
        for name, values in mine.state_dict().items():
            assert torch.equal(values, other.state_dict()[name])
    for top in (-2, -1):
        assert torch.equal(copied.linears[top].weight, fresh.linears[top].weight)
        assert not torch.equal(copied.linears[top].weight, source.linears[top].weight)
    untrained = donor(replace(spec, num_steps=0), data, SEEDS)
    assert not torch.equal(untrained.linears[0].weight, fresh.linears[0].weight)
    assert not torch.equal(untrained.linears[0].weight, source.linears[0].weight)
    assert len(earlier(copied)) == 4


def test_arms_differ_in_normalizer_start_and_freezing_alone():
    specs = [arm.spec for arm in ARMS.values()]
    assert {replace(s, norm="none", start="fresh", frozen=False) for s in specs} == {PLAIN}
    assert len(set(specs)) == len(ARMS) == 8
    assert ARMS["none-copied-frozen"].spec == replace(PLAIN, start="copied", frozen=True)
    assert ARMS["batch-frozen-earlier"].spec == replace(BATCH, frozen=True)


def test_the_net_is_that_of_the_paper():
    # Ioffe & Szegedy (2015), section 4.1
    assert (PLAIN.widths, PLAIN.activation) == ((100,) * 3, "sigmoid")
    assert (PLAIN.batch_size, PLAIN.data_set) == (60, "mnist")


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(replace(PLAIN, rate=0.1)) == "b03b38169991"
