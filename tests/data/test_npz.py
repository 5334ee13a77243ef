import pickle

import numpy as np
import pytest

import bnkit.data
from bnkit.data.dataset import Raw, arrays_sha256
from bnkit.errors import DataError


@pytest.fixture
def arrays(rng):
    return {
        "x_train": rng.integers(0, 256, (60, 3, 5, 4), dtype=np.uint8),
        "y_train": np.arange(60) % 3,
        "x_test": rng.integers(0, 256, (9, 3, 5, 4), dtype=np.uint8),
        "y_test": np.arange(9) % 3,
    }


@pytest.fixture
def save(tmp_path, cache):
    def save(arrays) -> str:
        path = tmp_path / "mine.npz"
        np.savez(path, **arrays)
        return str(path)

    return save


def test_a_file_of_your_own_gets_the_three_splits(save, arrays):
    data = bnkit.data.load(save(arrays))
    assert (data.name, data.num_classes, data.image_shape) == ("mine.npz", 3, (3, 5, 4))
    assert np.bincount(data.train.y).tolist() == [18, 18, 18]
    assert np.bincount(data.validation.y).tolist() == [2, 2, 2]
    np.testing.assert_array_equal(np.rint(data.test.pixels * 255), arrays["x_test"])
    np.testing.assert_array_equal(data.test.y, arrays["y_test"])
    np.testing.assert_allclose(data.train.x.mean(axis=(0, 2, 3)), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [((4, 6), (1, 4, 6)), ((7,), (7, 1, 1))],
    ids=["no channel axis", "features"],
)
def test_shapes_without_channels_become_images(save, arrays, rng, shape, image_shape):
    arrays["x_train"] = rng.normal(5, 2, (60, *shape))
    arrays["x_test"] = rng.normal(5, 2, (9, *shape))
    data = bnkit.data.load(save(arrays))
    assert data.image_shape == image_shape
    assert data.test.flat.shape == (9, np.prod(shape))
    np.testing.assert_allclose(
        data.test.pixels.reshape(9, -1), arrays["x_test"].reshape(9, -1), rtol=1e-5
    )


def test_an_edited_file_is_read_anew(save, arrays):
    first = bnkit.data.load(save(arrays))
    arrays["x_test"] = np.concatenate([arrays["x_test"], arrays["x_test"]])
    arrays["y_test"] = np.concatenate([arrays["y_test"], arrays["y_test"]])
    second = bnkit.data.load(save(arrays))
    assert len(second.test) == 18
    assert second.sha256 != first.sha256


def test_byte_order_changes_neither_numbers_nor_hash(save, arrays):
    arrays["x_train"] = arrays["x_train"].astype(np.float32)
    arrays["x_test"] = arrays["x_test"].astype(np.float32)
    little = bnkit.data.load(save(arrays))
    for key in arrays:
        arrays[key] = arrays[key].astype(arrays[key].dtype.newbyteorder(">"))
    big = bnkit.data.load(save(arrays))
    assert (
        big.sha256
        == little.sha256
        == arrays_sha256(
            *(Raw(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test"))
        )
    )
    np.testing.assert_array_equal(big.train.x, little.train.x)


def nan(arrays):
    x = arrays["x_train"].astype(float)
    x[3, 1, 2, 0] = np.nan
    return {"x_train": x, "x_test": arrays["x_test"].astype(float)}


FAULTS = {
    "missing key": (lambda a: {"y_test": None}, "lacks y_test"),
    "integer images": (lambda a: {"x_train": a["x_train"].astype(int)}, "x_train is int64"),
    "NaN": (nan, "x_train has values that are not finite"),
    "too large for float32": (
        lambda a: {"x_train": np.full((60, 3), 1e300)},
        "x_train has values that are not finite",
    ),
    "five axes": (lambda a: {"x_train": a["x_train"][..., None]}, r"x_train has shape \(60, 3, 5"),
    "no images": (lambda a: {"x_test": a["x_test"][:0]}, r"x_test has shape \(0,"),
    "channels last": (
        lambda a: {"x_train": np.zeros((60, 5, 5, 3), np.uint8)},
        r"channels last: use x.transpose\(0, 3, 1, 2\)",
    ),
    "other image shape": (lambda a: {"x_test": a["x_test"][:, :, 1:]}, "they must agree"),
    "other dtype": (lambda a: {"x_test": a["x_test"].astype(float)}, "they must agree"),
    "fewer labels": (lambda a: {"y_train": a["y_train"][1:]}, "60 examples and y_train 59"),
    "float labels": (lambda a: {"y_train": a["y_train"] / 1}, "y_train is float64"),
    "one-hot labels": (lambda a: {"y_train": np.eye(3, dtype=int)[a["y_train"]]}, r"\(60, 3\)"),
    "labels from 1": (lambda a: {"y_train": a["y_train"] + 1}, r"labels \[1, 2, 3\]"),
    "negative labels": (lambda a: {"y_train": a["y_train"] - 1}, r"labels \[-1, 0, 1\]"),
    "one class": (lambda a: {"y_train": a["y_train"] * 0}, r"labels \[0\]"),
    "unknown test label": (lambda a: {"y_test": a["y_test"] + 5}, r"y_test has the labels \[5, 6"),
}


@pytest.mark.parametrize(("change", "message"), FAULTS.values(), ids=FAULTS)
# 1e300 overflows float32 on purpose.
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_a_faulty_array_is_named_in_one_line(save, arrays, change, message):
    arrays |= change(arrays)
    path = save({key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(DataError, match=message) as caught:
        bnkit.data.load(path)
    assert path in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\3\4 cut", b"\x93NUMPY\1\0"])
def test_what_is_no_archive_is_refused(tmp_path, content, cache):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"not a readable \.npz of plain arrays"):
        bnkit.data.load(str(path))


def test_a_single_array_under_the_name_of_an_archive_is_refused(tmp_path, cache):
    path = tmp_path / "array.npz"
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(DataError, match=r"not a readable \.npz"):
        bnkit.data.load(str(path))


@pytest.mark.parametrize("offset", range(0, 2000, 50))
def test_an_archive_cut_anywhere_is_refused(save, arrays, tmp_path, offset):
    whole = save(arrays)
    path = tmp_path / "cut.npz"
    with open(whole, "rb") as stream:  # noqa: PTH123
        path.write_bytes(stream.read()[:offset])
    with pytest.raises(DataError):
        bnkit.data.load(str(path))


def test_an_absent_file_is_named(tmp_path, cache):
    with pytest.raises(DataError, match=r"nowhere\.npz does not exist"):
        bnkit.data.load(str(tmp_path / "nowhere.npz"))


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_inside_an_archive_is_not_opened(save, arrays, tmp_path):
    mark = tmp_path / "executed"
    arrays["y_train"] = np.array([Bomb(mark)] * 60, dtype=object)
    with pytest.raises(DataError, match=r"not a readable \.npz of plain arrays"):
        bnkit.data.load(save(arrays))
    assert not mark.exists()


def test_a_pickle_under_the_name_of_an_archive_is_not_opened(tmp_path, cache):
    mark = tmp_path / "executed"
    path = tmp_path / "evil.npz"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(DataError, match=r"not a readable \.npz of plain arrays"):
        bnkit.data.load(str(path))
    assert not mark.exists()
