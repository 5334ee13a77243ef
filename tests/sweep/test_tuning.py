"""Rates are chosen on validation, with seeds of their own, and never at the edge of what was run.

The toy is best at rate 0.3 without BN and at rate 3 with it, by pencil.
"""

from dataclasses import replace

import pytest

from bnkit import store, sweep
from bnkit.errors import InputError
from bnkit.experiments import Tuned
from bnkit.sweep.tuning import GRID

QUIET = {"workers": 1, "quiet": True}


def rates(spec):
    return sorted(sweep.tuning_scores("toy", spec))


def record(toy, spec, *chosen, seeds=sweep.TUNING_SEEDS):
    sweep.run("toy", [replace(spec, rate=rate) for rate in chosen], seeds, **QUIET)


def test_the_grid_and_the_seeds_are_fixed():
    assert sweep.TUNING_SEEDS == (1000, 1001, 1002)
    assert GRID[:3] == (1e-7, 3e-7, 1e-6)
    assert GRID[-3:] == (300.0, 1000.0, 3000.0)
    assert len(GRID) == 22


def test_the_rate_with_the_best_mean_accuracy_is_chosen(records, toy):
    assert sweep.tune("toy", [toy.PLAIN], **QUIET) == [replace(toy.PLAIN, rate=0.3)]
    scores = sweep.tuning_scores("toy", toy.PLAIN)
    # 0.90 less 0.05 for each factor of ten; the seeds' differences cancel
    assert scores == {
        0.1: pytest.approx(0.90 - 0.05 * 0.47712, abs=1e-6),
        0.3: pytest.approx(0.90),
        1.0: pytest.approx(0.90 - 0.05 * 0.52288, abs=1e-6),
    }


def test_an_optimum_at_the_edge_extends_the_grid_until_it_lies_inside(records, toy):
    assert sweep.tune("toy", [toy.BATCH], **QUIET) == [replace(toy.BATCH, rate=3.0)]
    assert rates(toy.BATCH) == [0.1, 0.3, 1.0, 3.0, 10.0]


def test_the_grid_grows_downwards_too(records, toy, monkeypatch):
    monkeypatch.setitem(toy.BEST_RATE, "none", 0.03)
    assert sweep.tune("toy", [toy.PLAIN], **QUIET) == [replace(toy.PLAIN, rate=0.03)]
    assert rates(toy.PLAIN) == [0.01, 0.03, 0.1, 0.3, 1.0]


def test_each_arm_has_a_rate_of_its_own_and_only_its_own_grid_grows(records, toy):
    specs = sweep.tune("toy", [toy.PLAIN, toy.BATCH], **QUIET)
    assert [spec.rate for spec in specs] == [0.3, 3.0]
    assert rates(toy.PLAIN) == [0.1, 0.3, 1.0]


def test_the_rate_of_the_given_spec_has_no_part(records, toy):
    assert sweep.tune("toy", [replace(toy.PLAIN, rate=123.0)], **QUIET)[0].rate == 0.3


def test_tuning_uses_its_own_seeds_only(records, toy):
    sweep.tune("toy", [toy.PLAIN], **QUIET)
    assert store.recorded_seeds("toy", replace(toy.PLAIN, rate=0.3)) == [1000, 1001, 1002]


def test_the_seeds_of_verdicts_do_not_choose_the_rate(records, toy):
    sweep.tune("toy", [toy.PLAIN], **QUIET)
    before = sweep.tuning_scores("toy", toy.PLAIN)
    record(toy, toy.PLAIN, 1.0, 30.0, seeds=range(5))
    assert sweep.tuning_scores("toy", toy.PLAIN) == before


def test_an_interrupted_grid_counts_only_whole_rates(records, toy):
    record(toy, toy.PLAIN, 0.1, 0.3, 1.0)
    record(toy, toy.PLAIN, 3.0, seeds=sweep.TUNING_SEEDS[:2])
    assert rates(toy.PLAIN) == [0.1, 0.3, 1.0]


def test_without_a_record_the_command_that_tunes_is_named(records, toy):
    with pytest.raises(InputError, match="no rate is tuned; run `python -m bnkit sweep toy --tune"):
        sweep.tuned("toy", toy.PLAIN)


@pytest.mark.parametrize("grid", [(0.1, 0.3), (0.3, 1.0), (0.3,)])
def test_a_best_rate_at_the_edge_of_what_is_recorded_is_no_choice(records, toy, grid):
    record(toy, toy.PLAIN, *grid)
    with pytest.raises(InputError, match=r"the best rate 0\.3 is at the edge .*--tune"):
        sweep.tuned("toy", toy.PLAIN)


def test_tuning_ends_at_the_end_of_the_whole_grid(records, toy, monkeypatch):
    monkeypatch.setitem(toy.BEST_RATE, "none", 1e6)
    monkeypatch.setattr(toy, "RATES", (300.0, 1000.0))
    with pytest.raises(InputError, match=r"the best rate 3000 is at the edge .* and 3000"):
        sweep.tune("toy", [toy.PLAIN], **QUIET)


def test_arms_stand_for_their_tuned_specs(records, toy):
    sweep.tune("toy", [toy.PLAIN, toy.BATCH], **QUIET)
    arms = sweep.arms("toy")
    assert arms["none"] == replace(toy.PLAIN, rate=0.3)
    assert arms["batch"] == replace(toy.BATCH, rate=3.0)
    assert arms["batch@none"] == replace(toy.BATCH, rate=0.3)
    assert arms["batch@0.1"] == toy.ARMS["batch@0.1"]


def test_an_arm_at_the_rate_of_another_needs_no_grid_of_its_own(records, toy):
    sweep.tune("toy", [toy.PLAIN], **QUIET)
    assert sweep.resolve("toy", Tuned(toy.BATCH, like=toy.PLAIN)).rate == 0.3
    with pytest.raises(InputError, match="no rate is tuned"):
        sweep.resolve("toy", Tuned(toy.BATCH))


def test_nothing_to_tune_is_no_error(records, toy, monkeypatch):
    monkeypatch.delattr(toy, "RATES")
    assert sweep.tune("toy", []) == []


def test_an_altered_record_of_the_grid_is_seen(records, toy):
    sweep.tune("toy", [toy.PLAIN], **QUIET)
    path = store.folder("toy", replace(toy.PLAIN, rate=1.0)) / "seed-1000.csv"
    path.write_text(path.read_text().replace("0.8", "0.9"))
    with pytest.raises(store.RecordError, match="altered or cut"):
        sweep.resolve("toy", toy.ARMS["none"])


def test_a_grid_may_be_measured_less_than_the_arms_are(records, toy, monkeypatch):
    slim = replace(toy.PLAIN, num_steps=2 * toy.PLAIN.num_steps)
    monkeypatch.setattr(
        toy, "for_tuning", lambda spec: replace(slim, rate=spec.rate), raising=False
    )
    assert sweep.tune("toy", [toy.PLAIN], **QUIET) == [replace(toy.PLAIN, rate=0.3)]
    assert sweep.resolve("toy", toy.ARMS["none"]) == replace(toy.PLAIN, rate=0.3)
    assert store.recorded_seeds("toy", replace(toy.PLAIN, rate=0.3)) == []
    assert store.recorded_seeds("toy", replace(slim, rate=0.3)) == list(sweep.TUNING_SEEDS)
