"""CIFAR-10 from its binary version: no pickle is opened and nothing is unpacked to disk."""

import tarfile
from pathlib import Path

import numpy as np

from bnkit.data.dataset import Dataset, Raw, arrays_sha256, assemble
from bnkit.data.integrity import check
from bnkit.data.registry import File
from bnkit.data.splits import hold_out_last

_FOLDER = "cifar-10-batches-bin"
_TRAIN = tuple(f"{_FOLDER}/data_batch_{i}.bin" for i in range(1, 6))
_TEST = (f"{_FOLDER}/test_batch.bin",)


def read(folder: Path, files: tuple[File, ...]) -> Dataset:
    """CIFAR-10: 45,000 to train, 5,000 to validate, 10,000 to test."""
    (archive,) = files
    path = archive.find(folder)
    check(path, archive)
    with tarfile.open(path, "r:gz") as tar:
        # One pass in the archive's own order: seeking back in gzip decompresses again.
        members = {m.name: tar.extractfile(m).read() for m in tar if m.name in _TRAIN + _TEST}
    official = decode_batches([members[name] for name in _TRAIN])
    test = decode_batches([members[name] for name in _TEST])
    return split_official("cifar10", official, test, arrays_sha256(official, test))


def split_official(name: str, official: Raw, test: Raw, sha256: str, note: str = "") -> Dataset:
    """Hold validation out of the official training set; also for other copies of CIFAR-10."""
    train, validation = (official.at(indices) for indices in hold_out_last(len(official.y)))
    return assemble(
        name, train=train, validation=validation, test=test, levels=255, sha256=sha256, note=note
    )


def decode_batches(batches: list[bytes]) -> Raw:
    """Records of 3,073 bytes: the label, then 32 x 32 values of red, of green and of blue."""
    records = np.frombuffer(b"".join(batches), np.uint8).reshape(-1, 1 + 3 * 32 * 32)
    return Raw(records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0])
