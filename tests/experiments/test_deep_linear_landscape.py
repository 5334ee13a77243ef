"""The landscape of the deep linear net on a small one, and the means over looks by pencil."""

from dataclasses import replace

import numpy as np
import pytest

from bnkit import store
from bnkit.experiments.deep_linear_landscape import (
    ARMS,
    BATCH,
    JUDGED,
    NONE,
    both_spacings,
    over_looks,
    run,
    walks,
)
from bnkit.rows import Row

SHORT = {"depth": 4, "width": 4, "num_examples": 40, "num_steps": 60, "num_looks": 4, "rate": 1e-4}


@pytest.fixture(scope="module")
def rows():
    return run(replace(BATCH, **SHORT), [3, 0])


def test_every_judged_number_is_there_once_a_seed(rows):
    names = {name for name in JUDGED.values() if "own_rate" not in name}
    for seed in (3, 0):
        last = [row.name for row in rows if row.seed == seed and row.step == 60]
        assert len(last) == len(set(last))
        assert {name + window for name in names for window in ("", "_early", "_late")} <= set(last)
    assert all(np.isfinite(row.value) for row in rows)


def test_a_seed_alone_gives_the_rows_that_it_has_among_others(rows):
    assert run(replace(BATCH, **SHORT), [0]) == [row for row in rows if row.seed == 0]


def test_the_walk_reaches_from_a_hundredth_to_thirty_times_the_rate():
    (walk,) = walks({"raw": (0.01 * 1e-6, 30 * 1e-6)})
    assert (walk.lengths[0], walk.lengths[-1]) == (pytest.approx(1e-8), pytest.approx(3e-5))
    assert len(walk.lengths) == 8
    ratios = np.divide(walk.lengths[1:], walk.lengths[:-1])
    np.testing.assert_allclose(ratios, ratios[0])


def test_a_walk_along_a_chosen_direction_needs_no_gradients_on_the_way():
    made = walks({"raw": (1, 2), "own_rate": (1, 2), "by_gradient": (1, 2), "by_weights": (1, 2)})
    assert {walk.name: walk.gradients for walk in made} == {
        "raw": True, "own_rate": True, "by_gradient": False, "by_weights": False,
    }  # fmt: skip


def test_looks_are_spaced_in_both_ways():
    assert both_spacings(1500, 5) == [0, 1, 6, 39, 241, 300, 600, 900, 1200, 1500]


def look(step, value, name="raw_beta", seed=0):
    return Row(seed, step, name, value, "nat")


def test_means_over_looks_by_pencil():
    # geometric: 2, 8, 4, 1 -> (64)^(1/4); early (up to 10) 2 and 8 -> 4; late (from 50) 4, 1 -> 2
    rows = [look(0, 2.0), look(10, 8.0), look(50, 4.0), look(100, 1.0), look(0, 9.0, seed=1)]
    rows += [look(5, -1.0, "raw_cosine_min"), look(100, 0.5, "raw_cosine_min")]
    found = {row.name: row.value for row in over_looks(rows, 0, 100)}
    assert found == pytest.approx(
        {
            "effective_smoothness": 64**0.25,
            "effective_smoothness_early": 4.0,
            "effective_smoothness_late": 2.0,
            "gradient_cosine": -0.25,
            "gradient_cosine_early": -1.0,
            "gradient_cosine_late": 0.5,
        }
    )
    assert {row[:2] for row in over_looks(rows, 0, 100)} == {(0, 100)}


@pytest.mark.parametrize("worst", [np.inf, np.nan])
def test_what_is_not_finite_at_one_look_makes_the_mean_infinite(worst):
    found = {row.name: row.value for row in over_looks([look(0, 1.0), look(90, worst)], 0, 100)}
    assert found["effective_smoothness"] == found["effective_smoothness_late"] == np.inf
    assert found["effective_smoothness_early"] == 1.0


def test_the_arms_differ_in_nothing_but_the_normalizer_and_the_rate():
    assert {replace(spec, norm="none", rate=1e-6) for spec in ARMS.values()} == {NONE}
    assert (NONE.depth, NONE.lengths) == (25, (0.01, 30.0))  # the paper's


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert (store.spec_key(NONE), store.spec_key(BATCH)) == ("8e6602ae1d72", "e3e663791c72")
