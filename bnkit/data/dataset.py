"""What a data set is to the rest of the book: three splits, and the hash of what was read."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bnkit.data.scaling import Scaling


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Examples of one part of a data set. The arrays are read-only.

    Attributes:
        x: (N, C, H, W) float32, each channel standardized with the mean and standard deviation
            of the training split.
        y: (N,) int64 labels, 0 to num_classes - 1.
        scaling: how x was made from the pixels.
    """

    x: np.ndarray
    y: np.ndarray
    scaling: Scaling

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        return f"Split(x={self.x.shape}, y={self.y.shape})"

    @property
    def flat(self) -> np.ndarray:
        """The same numbers as (N, C * H * W), a view."""
        return self.x.reshape(len(self.x), -1)

    @property
    def pixels(self) -> np.ndarray:
        """The images before standardization, (N, C, H, W) float32 in [0, 1], for figures.

        Computed at each use. A set of real numbers comes back in its own units.
        """
        return self.scaling.pixels(self.x)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with its three splits.

    Attributes:
        name: as given to `load`; of an .npz file, its file name.
        train: to fit weights, and nothing else sets the standardization.
        validation: to choose rates and other settings.
        test: to judge.
        sha256: of the decoded arrays before splitting; see `arrays_sha256`.
        note: what must be said beside every result made from this set, or "".
        num_classes: how many labels there are.
        image_shape: (C, H, W).
    """

    name: str
    train: Split
    validation: Split
    test: Split
    sha256: str
    note: str
    num_classes: int
    image_shape: tuple[int, int, int]


class Raw(NamedTuple):
    """Images as decoded, (N, C, H, W) uint8 or float32, and their labels, (N,) integers."""

    x: np.ndarray
    y: np.ndarray

    def at(self, indices: np.ndarray) -> "Raw":
        """The examples at `indices`, copied."""
        return Raw(self.x[indices], self.y[indices])


def arrays_sha256(*parts: Raw) -> str:
    """SHA-256 of the bytes of x and y of each part in turn.

    C order, little-endian: x as it is (uint8 or float32), y as int64.
    """
    digest = hashlib.sha256()
    for x, y in parts:
        digest.update(np.ascontiguousarray(x, x.dtype.newbyteorder("<")).data)
        digest.update(np.ascontiguousarray(y, "<i8").data)
    return digest.hexdigest()


def assemble(
    name: str, *, train: Raw, validation: Raw, test: Raw, levels: int | None, sha256: str, note=""
) -> Dataset:
    """Standardize three raw parts by the first and make them read-only."""
    scaling = Scaling.fit(train.x, levels)

    def split(raw: Raw) -> Split:
        x, y = scaling.standardize(raw.x), raw.y.astype(np.int64)
        x.flags.writeable = y.flags.writeable = False
        return Split(x, y, scaling)

    return Dataset(
        name=name,
        train=split(train),
        validation=split(validation),
        test=split(test),
        sha256=sha256,
        note=note,
        num_classes=int(train.y.max()) + 1,
        image_shape=train.x.shape[1:],
    )
