import numpy as np
import pytest

import bnkit.data
from bnkit.data import registry
from bnkit.data.cifar10 import decode_batches
from bnkit.data.splits import hold_out_last
from bnkit.errors import DataError


def test_a_record_by_pencil():
    red, green, blue = bytes([10]) + bytes(1023), bytes([20]) * 1024, bytes(1022) + b"\1\2"
    x, y = decode_batches([b"\7" + red + green + blue])
    assert y.tolist() == [7]
    assert x.shape == (1, 3, 32, 32)
    assert x[0, 0, 0, 0] == 10
    assert x[0, 0].sum() == 10
    assert (x[0, 1] == 20).all()
    assert x[0, 2, 31, 30:].tolist() == [1, 2]


def test_batches_come_in_their_order_with_the_last_5000_held_out(cifar10):
    data = bnkit.data.load("cifar10", download=False)
    official, test = cifar10[:5_050], cifar10[5_050:]
    train, validation = hold_out_last(5_050)
    for split, records in [
        (data.train, official[train]),
        (data.validation, official[validation]),
        (data.test, test),
    ]:
        np.testing.assert_array_equal(split.y, records[:, 0])
        pixels = np.rint(split.pixels.reshape(-1, 3072) * 255)
        np.testing.assert_array_equal(pixels, records[:, 1:])
    assert (data.num_classes, data.image_shape, data.note) == (10, (3, 32, 32), "")


def test_an_archive_with_another_hash_is_not_opened(cifar10, cache, monkeypatch):
    (file,) = registry.FILES["cifar10"]
    path = cache / "cifar10" / file.name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr("bnkit.data.cifar10.tarfile", None)
    with pytest.raises(DataError, match=f"instead of {file.sha256}"):
        bnkit.data.load("cifar10")
