"""When does a new run agree with a record? On the same machine to the last bit, else by rule."""

import math

import pytest
from scipy import stats

from bnkit.reproduce import compare
from bnkit.reproduce.comparison import same_machine
from bnkit.rows import Row

MACHINE = {
    "python": "3.11.7",
    "versions": {"torch": "2.13.0", "numpy": "2.4.6"},
    "device": "cpu",
    "cpu": "AMD EPYC, model 1",
    "threads": 1,
}


def row(value, seed=0, step=100, name="accuracy"):
    return Row(seed, step, name, value, "fraction")


def differs(stored, again, rule, others=()):
    return [(d.seed, d.step, d.name) for d in compare(stored, again, rule, others)]


# ---- the same machine


def test_the_same_machine_is_one_whose_every_part_is_the_same():
    assert same_machine(MACHINE, {**MACHINE, "seconds": 3.0, "commit": "other"})


@pytest.mark.parametrize("part", MACHINE)
def test_another_part_makes_another_machine(part):
    assert not same_machine(MACHINE, {**MACHINE, part: "other"})
    assert not same_machine(MACHINE, {k: v for k, v in MACHINE.items() if k != part})


def test_a_gpu_makes_another_machine():
    assert not same_machine(MACHINE, {**MACHINE, "gpu": "H200"})


def test_a_gpu_is_never_the_same_twice():
    on_a_gpu = {**MACHINE, "device": "cuda", "gpu": "H200"}
    assert not same_machine(on_a_gpu, dict(on_a_gpu))


# ---- equal


@pytest.mark.parametrize("value", [0.5, 0.0, 1e-300, math.nan, math.inf, -math.inf])
def test_equal_bits_agree(value):
    assert differs([row(value)], [row(value)], "equal") == []


@pytest.mark.parametrize(
    ("stored", "again"),
    [(0.5, math.nextafter(0.5, 1)), (1e-300, 0.0), (math.nan, 0.5), (0.5, math.nan),
     (math.inf, -math.inf), (math.inf, 1e308)],
)  # fmt: skip
def test_the_last_bit_makes_a_difference(stored, again):
    (found,) = compare([row(stored)], [row(again)], "equal")
    assert found.stored == stored or math.isnan(found.stored)
    assert found.again == again or math.isnan(found.again)
    assert found.allowed == "the same bits"


def test_every_row_is_compared_and_the_wrong_one_named():
    stored = [row(0.1, s, step) for s in (0, 1) for step in (0, 100)]
    again = [*stored[:2], row(0.2, 1, 0), stored[3]]
    assert differs(stored, again, "equal") == [(1, 0, "accuracy")]


@pytest.mark.parametrize("rule", ["equal", "close", "interval"])
def test_a_number_that_is_missing_or_new_is_a_difference(rule):
    stored = [row(0.1, 0), row(0.1, 1)]
    more = [*stored, row(0.1, 0, name="loss")]
    assert differs(more, stored, rule, more) == [(0, 100, "loss")]
    assert differs(stored, more, rule, stored) == [(0, 100, "loss")]


# ---- close


@pytest.mark.parametrize(
    ("again", "agrees"),
    [(2.0 * (1 + 9e-7), True), (2.0 * (1 - 9e-7), True), (2.0 * (1 + 2e-6), False), (-2.0, False)],
)
def test_exact_claims_agree_to_a_millionth(again, agrees):
    assert (differs([row(2.0)], [row(again)], "close") == []) == agrees


def test_errors_of_rounding_size_agree_with_each_other():
    assert differs([row(1e-16)], [row(7e-15)], "close") == []
    assert differs([row(1e-16)], [row(1e-9)], "close") != []


@pytest.mark.parametrize(
    ("stored", "again", "agrees"),
    [(math.inf, math.inf, True), (math.nan, math.nan, True), (math.inf, 1.0, False)],
)
def test_what_is_not_finite_must_be_the_same(stored, again, agrees):
    assert (differs([row(stored)], [row(again)], "close") == []) == agrees


# ---- interval


def test_the_prediction_interval_by_pencil():
    # 1, 2, 3: mean 2, deviation 1; a new value lies within t(0.995, 2) * √(1 + 1/3) of the mean
    record = [row(float(value), seed) for seed, value in enumerate((1, 2, 3))]
    half = stats.t.ppf(0.995, 2) * (4 / 3) ** 0.5
    assert half == pytest.approx(11.4603, abs=1e-4)
    for value, agrees in [(2 + 0.999 * half, True), (2 - 0.999 * half, True),
                          (2 + 1.001 * half, False), (2 - 1.001 * half, False),
                          (math.nan, False)]:  # fmt: skip
        assert (differs(record[:1], [row(value)], "interval", record) == []) == agrees


def test_only_the_last_value_of_a_metric_is_held_to_the_interval():
    record = [row(v + s, s, step) for s in (0, 1, 2) for step, v in ((0, 0.0), (100, 5.0))]
    stored = record[:2]
    early, late = [row(1e6, 0, 0), stored[1]], [stored[0], row(1e6, 0, 100)]
    assert differs(stored, early, "interval", record) == []
    assert differs(stored, late, "interval", record) == [(0, 100, "accuracy")]


def test_each_metric_has_an_interval_of_its_own():
    record = [r for s in range(3) for r in (row(float(s), s), row(100.0 + s, s, name="loss"))]
    swapped = [row(101.0, 0), row(1.0, 0, name="loss")]
    assert len(differs(record[:2], swapped, "interval", record)) == 2


# ---- times


@pytest.mark.parametrize("rule", ["equal", "close", "interval"])
@pytest.mark.parametrize(
    ("again", "agrees"), [(0.5, True), (2.1, True), (0.19, False), (21, False)]
)
def test_of_a_time_the_order_of_magnitude_must_agree(rule, again, agrees):
    stored, new = (Row(0, 1, "seconds", value, "s") for value in (2.0, again))
    assert (compare([stored], [new], rule, [stored]) == []) == agrees


# ---- what the system called a process


@pytest.mark.parametrize("rule", ["equal", "close", "interval"])
def test_the_id_of_a_process_has_to_be_there_and_may_be_any(rule):
    stored, new = (Row(0, 0, "process_id_0", value, "process id") for value in (11629.0, 42.0))
    assert compare([stored], [new], rule, [stored]) == []
    assert len(compare([stored], [], rule, [stored])) == 1
