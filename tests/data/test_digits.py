import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets

import bnkit.data
from bnkit.data import digits
from bnkit.errors import DataError

PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def stored():
    return {k: np.array(v) for k, v in json.loads(digits.SPLIT_FILE.read_text()).items()}


@pytest.fixture(scope="module")
def bunch():
    return datasets.load_digits()


def test_the_stored_parts_are_disjoint_and_complete(stored):
    assert [len(stored[part]) for part in PARTS] == [1077, 360, 360]
    everything = np.sort(np.concatenate([stored[part] for part in PARTS]))
    np.testing.assert_array_equal(everything, np.arange(1797))


def test_the_stored_parts_are_stratified(stored, bunch):
    total = np.bincount(bunch.target)
    for part in PARTS:
        counts = np.bincount(bunch.target[stored[part]])
        # Two draws of 360, each off by less than one image a class, so train by less than two.
        np.testing.assert_allclose(counts, total * len(stored[part]) / 1797, atol=2)


def test_the_stored_split_is_the_one_that_its_maker_makes(stored, bunch):
    made = digits.make_split(bunch.target)
    for part in PARTS:
        np.testing.assert_array_equal(made[part], stored[part])


def test_each_split_is_the_stored_images_standardized_by_train(cache, stored, bunch):
    data = bnkit.data.load("digits")
    train = bunch.images[stored["train"]] / 16
    for part in PARTS:
        split = getattr(data, part)
        exact = (bunch.images[stored[part]] / 16 - train.mean()) / train.std()
        np.testing.assert_allclose(split.x[:, 0], exact, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(split.y, bunch.target[stored[part]])
        np.testing.assert_array_equal(split.pixels[:, 0], bunch.images[stored[part]] / 16)


def test_what_a_data_set_says_of_itself(cache):
    data = bnkit.data.load()
    assert (data.name, data.num_classes, data.image_shape) == ("digits", 10, (1, 8, 8))
    assert data.note == ""
    assert data.train.x.dtype == np.float32
    assert data.train.y.dtype == np.int64
    assert data.train.flat.shape == (1077, 64)
    assert len(data.test) == 360
    assert repr(data.test) == "Split(x=(360, 1, 8, 8), y=(360,))"


def test_arrays_are_shared_and_read_only(cache):
    data = bnkit.data.load("digits")
    assert bnkit.data.load("digits") is data
    for array in (data.train.x, data.train.y, data.train.flat):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_changed_digits_are_refused(cache, bunch, monkeypatch):
    bunch = datasets.load_digits()
    bunch.images[3, 2, 1] += 1
    monkeypatch.setattr(datasets, "load_digits", lambda: bunch)
    with pytest.raises(DataError, match=f"instead of {digits.SHA256}"):
        bnkit.data.load("digits")


def test_digits_need_no_network_and_no_optional_package():
    code = (
        "import socket, sys\n"
        "def blocked(*_): raise AssertionError('network')\n"
        "socket.socket.connect = blocked\n"
        "import bnkit.data, bnkit.data.command\n"
        "assert 'sklearn' not in sys.modules\n"
        "bnkit.data.load('digits')\n"
        "heavy = {'torch', 'matplotlib', 'pooch', 'requests', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
