"""The sigmoid net, run for some steps on digits: the same code, rows and names as the record."""

from dataclasses import fields, replace

import numpy as np
import pytest

from bnkit import claims, experiments, store
from bnkit.experiments import Tuned
from bnkit.experiments.mnist_sigmoid import ARMS, BATCH, PLAIN, MnistSigmoid, run

SHORT = {
    "data_set": "digits",
    "widths": (20, 20),
    "num_steps": 200,
    "drift_interval": 20,
    "num_probe_examples": 40,
    "rate": 0.5,
}
SEEDS = (3, 0)


@pytest.fixture(scope="module")
def rows():
    return run(replace(BATCH, **SHORT), SEEDS)


def select(rows, name, seed):
    return {row.step: row.value for row in rows if row.name == name and row.seed == seed}


def test_every_curve_begins_before_training_and_ends_after_the_last_step(rows):
    for seed in SEEDS:
        for name in ("test_accuracy", "test_loss"):
            assert list(select(rows, name, seed)) == [0, 100, 200]
        for name in ("validation_accuracy", "validation_loss"):
            assert list(select(rows, name, seed)) == list(range(0, 201, 20))
        assert list(select(rows, "p50_q50", seed)) == list(range(0, 201, 20))
        assert list(select(rows, "drift_raw", seed)) == list(range(20, 201, 20))


def test_the_net_learns(rows):
    for seed in SEEDS:
        accuracy = select(rows, "test_accuracy", seed)
        assert accuracy[0] < 0.35
        assert accuracy[200] > 0.85


def test_mean_drifts_are_means_over_their_windows(rows):
    for seed in SEEDS:
        for name in ("drift_raw", "drift_scaled"):
            at = select(rows, name, seed)
            windows = {"": range(20, 201, 20), "_early": [20], "_late": range(120, 201, 20)}
            for suffix, steps in windows.items():
                found = select(rows, f"activation_{name}{suffix}", seed)
                assert list(found) == [200]  # judged metrics have one row, at the last step
                assert found[200] == pytest.approx(np.mean([at[step] for step in steps]))


@pytest.mark.parametrize("arm", [PLAIN, BATCH])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(arm, **{**SHORT, "num_steps": 40})
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_a_second_run_gives_the_same_rows(rows):
    assert run(replace(BATCH, **SHORT), SEEDS) == rows


def test_every_arm_and_metric_that_a_claim_names_is_there(rows):
    names = {row.name for row in rows} | {"steps_to_target"}
    served = [c for c in claims.load().claims if c.experiment == "mnist_sigmoid"]
    assert {"B1", "B7"} <= {claim.id for claim in served}
    for claim in served:
        for rule in claim.rules.values():
            assert {operand.arm for operand in rule.operands} <= set(ARMS)
            assert {operand.metric for operand in rule.operands} <= names


def test_the_arms_differ_in_nothing_but_the_normalizer_and_the_rate():
    specs = [arm.spec if isinstance(arm, Tuned) else arm for arm in ARMS.values()]
    assert {replace(spec, norm="none", rate=1.0) for spec in specs} == {PLAIN}
    assert ARMS["batch@none"] == Tuned(BATCH, like=PLAIN)
    assert ARMS["batch@0.1"] == replace(BATCH, rate=0.1)
    assert experiments.find("mnist_sigmoid").ARMS is ARMS


def test_the_spec_is_that_of_the_paper():
    # Ioffe & Szegedy (2015), section 4.1
    assert (PLAIN.widths, PLAIN.activation, PLAIN.placement) == ((100,) * 3, "sigmoid", "before")
    assert (PLAIN.batch_size, PLAIN.num_steps, PLAIN.data_set) == (60, 50_000, "mnist")


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(replace(PLAIN, rate=0.1)) == "1cf80e91bdbd"
    assert store.spec_key(replace(BATCH, rate=0.1)) == "104b412ecbea"
    assert len(fields(MnistSigmoid)) == 11


@pytest.mark.parametrize(
    ("field", "words"), [("norm", "norm 'l1'"), ("placement", "placement 'l1'")]
)
def test_a_wrong_value_is_refused_before_training(field, words):
    with pytest.raises(ValueError, match=words):
        run(replace(PLAIN, **SHORT, **{field: "l1"}), [0])


def test_a_wrong_field_is_named():
    with pytest.raises(TypeError, match="learning_rate"):
        MnistSigmoid(norm="none", rate=1.0, learning_rate=0.1)
