import numpy as np
import pytest

from bnkit.judging import steps_to_target

STEPS = [0, 100, 200, 300]


def test_the_first_step_at_or_above_the_target_counts():
    assert steps_to_target(STEPS, [0.1, 0.6, 0.9, 0.7], 0.6, 300) == (100, False)
    assert steps_to_target(STEPS, [0.1, 0.6, 0.9, 0.7], 0.61, 300) == (200, False)


def test_a_run_that_misses_the_target_has_one_step_more_than_the_budget():
    assert steps_to_target(STEPS, [0.1, 0.2, 0.3, 0.4], 0.5, 300) == (301, True)


def test_a_run_may_be_there_at_initialization():
    assert steps_to_target(STEPS, [0.5, 0.1, 0.1, 0.1], 0.5, 300) == (0, False)


def test_a_diverged_run_never_arrives_whatever_it_reached_before():
    assert steps_to_target(STEPS[:2], [0.9, np.nan], 0.5, 300, diverged=True) == (np.inf, True)


@pytest.mark.parametrize(
    ("steps", "curve", "message"),
    [
        ([0, 1], [0.1], "need one shape"),
        ([], [], "need one shape"),
        ([0, 0], [0.1, 0.2], "must increase"),
        ([0, 301], [0.1, 0.2], "up to the budget of 300"),
        ([0, 1], [0.1, np.nan], "passed as diverged=True"),
    ],
)
def test_a_curve_that_cannot_be_read_is_refused(steps, curve, message):
    with pytest.raises(ValueError, match=message):
        steps_to_target(steps, curve, 0.5, 300)
