import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnkit.data import stratified_subset
from bnkit.data.splits import hold_out_last, hold_out_tenth
from bnkit.errors import InputError


def test_shares_by_pencil():
    # 5 of 10: the exact shares 3, 1.5 and 0.5 round down to 3, 1, 0; the one example still
    # missing goes to the largest remainder, and of two equal ones to the smaller label.
    y = np.array([0] * 6 + [1] * 3 + [2])
    assert np.bincount(y[stratified_subset(y, 5, seed=0)], minlength=3).tolist() == [3, 2, 0]


@given(
    y=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_a_subset_is_sorted_distinct_and_in_proportion(y, share, seed):
    y = np.array(y)
    num = max(1, round(share * len(y)))
    indices = stratified_subset(y, num, seed)
    assert len(indices) == num
    assert (np.diff(indices) > 0).all()
    for label in range(5):
        exact = num * (y == label).sum() / len(y)
        assert abs((y[indices] == label).sum() - exact) < 1


def test_the_seed_decides_the_subset():
    y = np.arange(1000) % 10
    first = stratified_subset(y, 100, seed=1)
    np.testing.assert_array_equal(first, stratified_subset(y, 100, seed=1))
    assert not np.array_equal(first, stratified_subset(y, 100, seed=2))


def test_a_subset_of_sorted_classes_is_not_their_first_images():
    y = np.repeat(np.arange(10), 100)
    first_images = [100 * label + i for label in range(10) for i in range(10)]
    assert stratified_subset(y, 100, seed=0).tolist() != first_images


@pytest.mark.parametrize("num", [0, -1, 11])
def test_a_subset_that_cannot_be_drawn_is_refused(num):
    with pytest.raises(InputError, match=f"num={num} examples of 10: choose 1 to 10"):
        stratified_subset(np.zeros(10, int), num, seed=0)


def test_validation_is_the_last_5000_of_a_permutation():
    train, validation = hold_out_last(60_000)
    assert (len(train), len(validation)) == (55_000, 5_000)
    np.testing.assert_array_equal(np.sort(np.r_[train, validation]), np.arange(60_000))


@pytest.mark.parametrize(
    ("num_examples", "pinned"),
    [(60_000, "924bbf167869b3b9"), (50_000, "1161d9111baf920b")],
    ids=["mnist", "cifar10"],
)
def test_the_split_never_moves(num_examples, pinned):
    # Records of all years share it. If a new NumPy turns this red, store the permutation.
    _, validation = hold_out_last(num_examples)
    assert hashlib.sha256(validation.astype("<i8").tobytes()).hexdigest()[:16] == pinned


def test_a_tenth_is_held_out_in_proportion_and_at_most_5000():
    y = np.arange(200) % 4
    train, validation = hold_out_tenth(y)
    assert np.bincount(y[validation]).tolist() == [5, 5, 5, 5]
    np.testing.assert_array_equal(np.sort(np.r_[train, validation]), np.arange(200))
    assert len(hold_out_tenth(np.arange(80_000) % 2)[1]) == 5_000
