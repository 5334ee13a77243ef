"""From stored rows to judged numbers. The toy's numbers are known by pencil:

without BN at its rate 0.3 it rises to 0.90 at step 20; with BN at rate 0.3 to 0.90 at step 10.
"""

from dataclasses import replace

import pytest

from bnkit import store
from bnkit.ledger import Records, Untested
from bnkit.rows import Row

STEPS = "steps_to_target"
SEEDS = range(8)


def test_a_metric_is_its_value_at_the_last_step(recorded, toy):
    samples, seeds, _ = Records().samples_of("toy", ["none@0.1"], ["test_accuracy"])
    assert seeds == tuple(SEEDS)
    expected = [toy.height(toy.ARMS["none@0.1"], seed) for seed in SEEDS]
    assert samples["none@0.1"]["test_accuracy"].tolist() == expected
    assert samples["none@0.1"]["max_error"].tolist() == [1e-12 * (seed + 1) for seed in SEEDS]


def test_arms_are_paired_by_the_seeds_that_all_have(recorded, toy, keep_only):
    keep_only("none@0.1", [0, 1, 2, 5])
    keep_only("batch@0.1", [5, 1, 7])
    samples, seeds, origins = Records().samples_of(
        "toy", ["none@0.1", "batch@0.1"], ["test_accuracy"]
    )
    assert seeds == (1, 5)
    for arm in ("none@0.1", "batch@0.1"):
        expected = [toy.height(toy.ARMS[arm], seed) for seed in seeds]
        assert samples[arm]["test_accuracy"].tolist() == expected
        assert {"1", "5"} <= set(origins[arm])


def test_the_seeds_of_tuning_have_had_their_say(recorded, toy):
    recorded_seeds = store.recorded_seeds("toy", replace(toy.PLAIN, rate=0.3))
    assert recorded_seeds == [*SEEDS, 1000, 1001, 1002]
    _, seeds, _ = Records().samples_of("toy", ["none"], ["test_accuracy"])
    assert seeds == tuple(SEEDS)


def test_a_tuned_arm_and_one_at_the_rate_of_another_are_found_at_their_rates(recorded, toy):
    samples, _, _ = Records().samples_of("toy", ["none", "batch", "batch@none"], ["test_accuracy"])
    of_seed_1 = {arm: samples[arm]["test_accuracy"][1] for arm in samples}
    # at its own rate 3 BN reaches 0.95; at 0.3, a factor of ten away, 0.05 less
    assert of_seed_1 == pytest.approx({"none": 0.90, "batch": 0.95, "batch@none": 0.90})


def test_steps_to_target_by_pencil(recorded, toy):
    # The target is nearly 0.99 * 0.90 = 0.891; without BN step 19 has 0.901 * 19 / 20 = 0.856.
    samples, _, _ = Records().samples_of("toy", ["none", "batch@none"], [STEPS])
    assert samples["none"][STEPS].tolist() == [20] * 8
    assert samples["batch@none"][STEPS].tolist() == [10] * 8
    assert samples["none"][f"{STEPS}_not_reached"].tolist() == [0] * 8


def test_a_target_that_is_not_reached_is_one_more_than_the_budget(recorded, toy):
    # at rate 0.1 the height is 0.90 - 0.024: the budget is 20
    samples, _, _ = Records().samples_of("toy", ["none@0.1"], [STEPS])
    assert samples["none@0.1"][STEPS].tolist() == [21] * 8
    assert samples["none@0.1"][f"{STEPS}_not_reached"].tolist() == [1] * 8


def test_a_diverged_run_never_arrives_and_is_not_dropped(recorded, toy):
    samples, _, _ = Records().samples_of("toy", ["diverged"], [STEPS, "test_accuracy"])
    assert samples["diverged"][STEPS].tolist() == [float("inf")] * 8
    assert samples["diverged"][f"{STEPS}_not_reached"].tolist() == [1] * 8
    assert samples["diverged"]["test_accuracy"].tolist() == [0.1] * 8


def test_the_target_follows_the_records(recorded, toy):
    # the same process, other records: nothing is remembered of the old ones
    assert (
        Records().samples_of("toy", ["batch@none"], [STEPS])[0]["batch@none"][STEPS].tolist()
        == [10] * 8
    )
    plain = replace(toy.PLAIN, rate=0.3)
    for seed in SEEDS:
        rows = [row._replace(value=row.value / 2) for row in store.load("toy", plain, [seed])]
        store.save("toy", plain, seed, rows, {})
    # the target is 0.4454 now; with BN 0.899 * 5 / 10 = 0.4495 is beyond it, 4 / 10 is not
    assert (
        Records().samples_of("toy", ["batch@none"], [STEPS])[0]["batch@none"][STEPS].tolist()
        == [5] * 8
    )


def test_a_metric_that_one_seed_lacks_is_not_judged(recorded, toy):
    spec = toy.ARMS["none@0.1"]
    rows = [row for row in store.load("toy", spec, [1]) if row.name != "max_error"]
    store.save("toy", spec, 1, rows, {})
    samples, _, _ = Records().samples_of("toy", ["none@0.1"], ["max_error"])
    assert "max_error" not in samples["none@0.1"]
    assert "test_accuracy" in samples["none@0.1"]


@pytest.mark.parametrize(
    ("experiment", "arm", "metric", "words"),
    [
        ("not_written", "none", "test_accuracy", "experiment not_written is not written yet"),
        ("toy", "layer", "test_accuracy", "toy has no arm layer"),
        ("toy", "batch", "test_accuracy", "no rate is tuned; run `python -m bnkit sweep toy --tun"),
        ("toy", "none@0.1", "test_accuracy", "no records yet: run `python -m bnkit sweep toy`"),
    ],
)
def test_what_is_missing_is_said(records, toy, experiment, arm, metric, words):
    with pytest.raises(Untested, match=words):
        Records().samples_of(experiment, [arm], [metric])


def test_a_target_without_its_curves_is_said(recorded, toy):
    spec = toy.ARMS["none@0.1"]
    store.save("toy", spec, 0, [Row(0, 20, "max_error", 0.0, "1")], {})
    with pytest.raises(Untested, match="seed 0 has no test_accuracy"):
        Records().samples_of("toy", ["none@0.1"], [STEPS])
    plain = replace(toy.PLAIN, rate=0.3)
    store.save("toy", plain, 0, [Row(0, 20, "test_accuracy", 0.9, "fraction")], {})
    with pytest.raises(Untested, match="arm none has no validation_accuracy"):
        Records().samples_of("toy", ["none"], [STEPS])


def test_a_damaged_record_is_no_missing_one(recorded, toy):
    path = store.folder("toy", toy.ARMS["none@0.1"]) / "seed-001.csv"
    path.write_text(path.read_text().replace("0.8", "0.9"))
    with pytest.raises(store.RecordError, match="altered or cut"):
        Records().samples_of("toy", ["none@0.1"], ["test_accuracy"])
