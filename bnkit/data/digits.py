"""The digits that ship with scikit-learn: 1,797 images of 8 x 8, no download.

They have no official split. Ours is stored, so that no new release of a library can move it;
`write_split` makes the file again.
"""

import json
from pathlib import Path

import numpy as np

from bnkit.data.dataset import Dataset, Raw, arrays_sha256, assemble
from bnkit.data.splits import SPLIT_SEED, stratified_subset
from bnkit.errors import DataError

SPLIT_FILE = Path(__file__).with_name("digits_split.json")
# Of the decoded arrays, see arrays_sha256.
SHA256 = "65e5b4619795efb40c1082f4c350c049e4ad552200d369b6ae99e21eef5e72c5"
NUM_HELD_OUT = 360  # for validation, and again for test; 1,077 remain to train


def read() -> Dataset:
    """Digits: 1,077 to train, 360 to validate, 360 to test, stratified; 16 is white."""
    raw = _images()
    parts = json.loads(SPLIT_FILE.read_text(encoding="utf-8"))
    return assemble(
        "digits", **{part: raw.at(parts[part]) for part in parts}, levels=16, sha256=SHA256
    )


def make_split(y: np.ndarray) -> dict[str, list[int]]:
    """Sorted indices of each part; test and validation are stratified draws, train the rest."""
    everything = np.arange(len(y))
    test = stratified_subset(y, NUM_HELD_OUT, SPLIT_SEED)
    rest = np.setdiff1d(everything, test)
    validation = rest[stratified_subset(y[rest], NUM_HELD_OUT, SPLIT_SEED)]
    train = np.setdiff1d(rest, validation)
    return {"train": train.tolist(), "validation": validation.tolist(), "test": test.tolist()}


def write_split() -> None:
    """Write the stored split anew: one line a part."""
    rows = [f'"{part}": {indices}' for part, indices in make_split(_images().y).items()]
    SPLIT_FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def _images() -> Raw:
    from sklearn.datasets import load_digits  # a second to import, so not before it is needed

    bunch = load_digits()
    raw = Raw(bunch.images.astype(np.uint8)[:, None], bunch.target)
    found = arrays_sha256(raw)
    if found != SHA256:
        raise DataError(
            f"the digits of this scikit-learn have SHA-256 {found} instead of {SHA256}: "
            "install a release with the original images, such as 1.5"
        )
    return raw
