"""MNIST from its four IDX files, gzip'd or not."""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

from bnkit.data.dataset import Dataset, Raw, arrays_sha256, assemble
from bnkit.data.integrity import damaged
from bnkit.data.registry import File
from bnkit.data.splits import SPLIT_SEED, hold_out_last, stratified_subset
from bnkit.errors import DataError

NUM_SMALL = 1_000  # training images of mnist1k


def read(folder: Path, files: tuple[File, ...], name: str = "mnist") -> Dataset:
    """All of MNIST: 55,000 to train, 5,000 to validate, 10,000 to test."""
    x_train, y_train, x_test, y_test = (decode_idx(_raw_bytes(folder, file)) for file in files)
    official, test = Raw(x_train[:, None], y_train), Raw(x_test[:, None], y_test)
    train, validation = (official.at(indices) for indices in hold_out_last(len(y_train)))
    if name == "mnist1k":
        train = train.at(stratified_subset(train.y, NUM_SMALL, SPLIT_SEED))
    sha256 = arrays_sha256(official, test)
    return assemble(name, train=train, validation=validation, test=test, levels=255, sha256=sha256)


def read_small(folder: Path, files: tuple[File, ...]) -> Dataset:
    """MNIST with 1,000 stratified images of its training split; the other splits are the same."""
    return read(folder, files, "mnist1k")


def decode_idx(content: bytes) -> np.ndarray:
    """The array of unsigned bytes in an IDX file.

    Two zero bytes, the type (8: unsigned byte), the number of axes, each length as a big-endian
    32-bit integer, then the values in C order.
    """
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise DataError(f"not an IDX file of unsigned bytes: it starts with {content[:4]!r}")
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise DataError(f"IDX header cut off after {len(content)} bytes")
    shape = tuple(np.frombuffer(content[4:header], ">u4").tolist())
    expected = int(np.prod(shape, dtype=object))
    if len(content) - header != expected:
        raise DataError(
            f"IDX file of shape {shape} has {len(content) - header} values, expected {expected}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _raw_bytes(folder: Path, file: File) -> bytes:
    """Decompressed and checked: a file that was compressed anew is as good as the original."""
    path = file.find(folder)
    content = path.read_bytes()
    if content[:512].lstrip()[:1] == b"<":
        raise damaged(path, file, "it is an HTML page, not the file")
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise damaged(path, file, f"it does not decompress ({error})") from error
    found = hashlib.sha256(content).hexdigest()
    if found != file.raw_sha256:
        raise damaged(path, file, f"its decompressed bytes have SHA-256 {found}")
    return content
