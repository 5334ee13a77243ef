import gzip
import hashlib

import numpy as np
import pytest

import bnkit.data
from bnkit.data import registry
from bnkit.data.mnist import decode_idx
from bnkit.data.splits import hold_out_last
from bnkit.errors import DataError

PENCIL = b"\0\0\x08\x02" + b"\0\0\0\x02" + b"\0\0\0\x03" + bytes([1, 2, 3, 40, 50, 255])


def test_an_idx_file_by_pencil():
    np.testing.assert_array_equal(decode_idx(PENCIL), [[1, 2, 3], [40, 50, 255]])


@pytest.mark.parametrize("length", range(len(PENCIL)))
def test_an_idx_file_cut_anywhere_is_refused(length):
    with pytest.raises(DataError):
        decode_idx(PENCIL[:length])


@pytest.mark.parametrize(
    "content",
    [PENCIL + b"\0", b"\0\0\x0d" + PENCIL[3:], b"\x1f\x8b\x08" + PENCIL[3:]],
    ids=["too long", "floats", "still compressed"],
)
def test_what_is_not_an_idx_file_of_bytes_is_refused(content):
    with pytest.raises(DataError):
        decode_idx(content)


def test_validation_is_held_out_of_train_and_test_is_whole(mnist):
    x_train, y_train, x_test, y_test = mnist
    data = bnkit.data.load("mnist", download=False)
    train, validation = hold_out_last(len(y_train))
    for split, x, y in [
        (data.train, x_train[train], y_train[train]),
        (data.validation, x_train[validation], y_train[validation]),
        (data.test, x_test, y_test),
    ]:
        np.testing.assert_array_equal(np.rint(split.pixels[:, 0] * 255), x)
        np.testing.assert_array_equal(split.y, y)
    exact = (x_test - x_train[train].mean()) / x_train[train].std()
    np.testing.assert_allclose(data.test.x[:, 0], exact, rtol=1e-5, atol=1e-6)


def test_the_hash_is_of_the_decoded_arrays_in_order(mnist):
    x_train, y_train, x_test, y_test = mnist
    arrays = [x_train, y_train.astype("<i8"), x_test, y_test.astype("<i8")]
    expected = hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()
    assert bnkit.data.load("mnist").sha256 == expected
    assert bnkit.data.load("mnist1k").sha256 == expected


def test_mnist1k_is_a_stratified_part_of_train_with_the_same_other_splits(mnist):
    whole, small = bnkit.data.load("mnist"), bnkit.data.load("mnist1k")
    assert small.name == "mnist1k"
    assert len(small.train) == 1_000
    share = np.bincount(whole.train.y) * 1_000 / len(whole.train)
    assert (abs(np.bincount(small.train.y) - share) < 1).all()
    images = {image.tobytes() for image in whole.train.pixels}
    assert all(image.tobytes() in images for image in small.train.pixels)
    for part in ("validation", "test"):
        ours, theirs = getattr(small, part), getattr(whole, part)
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)
        np.testing.assert_array_equal(ours.y, theirs.y)
    # Only its own 1,000 images set the standardization.
    assert small.train.x.mean(dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert small.train.x.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)


def test_files_compressed_anew_or_not_at_all_are_recognized(mnist, cache):
    images, labels, *_ = registry.FILES["mnist"]
    packed = cache / "mnist" / images.name
    raw = gzip.decompress(packed.read_bytes())
    packed.write_bytes(gzip.compress(raw, compresslevel=1))
    assert hashlib.sha256(packed.read_bytes()).hexdigest() != images.sha256
    packed_labels = cache / "mnist" / labels.name
    packed_labels.with_suffix("").write_bytes(gzip.decompress(packed_labels.read_bytes()))
    packed_labels.unlink()
    assert len(bnkit.data.load("mnist", download=False).train) == 1_200


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGE = {
    "cut": cut,
    "flipped bit": flip,
    "broken stream": lambda c: c[:10] + b"\xff" * 9 + c[19:],  # 11 is no type of a deflate block
    "HTML page": lambda _: b"\n<!DOCTYPE html><p>Please log in",
    "empty": lambda _: b"",
    "other images": lambda c: gzip.compress(flip(gzip.decompress(c))),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("download", [True, False])
def test_a_damaged_file_is_named_and_left_alone(mnist, cache, damage, download):
    file = registry.FILES["mnist"][2]
    path = cache / "mnist" / file.name
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(DataError) as caught:
        bnkit.data.load("mnist", download=download)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for part in (str(path), "damaged", file.sha256, file.raw_sha256, file.urls[0]):
        assert part in message
    assert path.read_bytes() == before


def test_a_mended_file_is_read_after_the_error(mnist, cache):
    path = cache / "mnist" / registry.FILES["mnist"][0].name
    good = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(DataError):
        bnkit.data.load("mnist")
    path.write_bytes(good)
    assert len(bnkit.data.load("mnist").validation) == 5_000
