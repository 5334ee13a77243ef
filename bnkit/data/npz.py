"""A data set of your own: an .npz file with x_train, y_train, x_test and y_test."""

from pathlib import Path

import numpy as np

from bnkit.data.archive import read_arrays
from bnkit.data.dataset import Dataset, Raw, arrays_sha256, assemble
from bnkit.data.splits import hold_out_tenth
from bnkit.errors import DataError


def read(path: Path) -> Dataset:
    """Check the four arrays and hold out a stratified tenth of train, at most 5,000.

    Images are (N, C, H, W), or (N, H, W) of one channel, or (N, D) features, which become D
    channels of one pixel. uint8 is taken as 0 to 255, floats as they are. Labels are integers
    0 to K - 1, each of them in y_train.

    Raises:
        DataError: what is wrong, in one line with the file's name.
    """
    x_train, y_train, x_test, y_test = read_arrays(path, "x_train", "y_train", "x_test", "y_test")
    official = Raw(_images(path, "x_train", x_train), _labels(path, "y_train", y_train))
    test = Raw(_images(path, "x_test", x_test), _labels(path, "y_test", y_test))
    _check_together(path, official, test)
    train, validation = (official.at(indices) for indices in hold_out_tenth(official.y))
    return assemble(
        path.name,
        train=train,
        validation=validation,
        test=test,
        levels=255 if official.x.dtype == np.uint8 else None,
        sha256=arrays_sha256(official, test),
    )


def _images(path: Path, key: str, x: np.ndarray) -> np.ndarray:
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise DataError(f"{path}: {key} is {x.dtype}, but images are uint8 or floating point")
    if x.ndim not in (2, 3, 4) or x.size == 0:
        raise DataError(
            f"{path}: {key} has shape {x.shape}, but images are (N, C, H, W), (N, H, W) or (N, D)"
        )
    if x.ndim == 4 and x.shape[3] == 3 and x.shape[1] == x.shape[2] != 3:
        raise DataError(
            f"{path}: {key} has shape {x.shape}, channels last: use x.transpose(0, 3, 1, 2)"
        )
    if x.dtype != np.uint8:
        x = x.astype(np.float32)
        if not np.isfinite(x).all():
            raise DataError(f"{path}: {key} has values that are not finite in float32")
    if x.ndim == 2:
        return x[:, :, None, None]
    return x[:, None] if x.ndim == 3 else x


def _labels(path: Path, key: str, y: np.ndarray) -> np.ndarray:
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise DataError(
            f"{path}: {key} is {y.dtype} of shape {y.shape}, but labels are integers of shape (N,)"
        )
    return y


def _check_together(path: Path, train: Raw, test: Raw) -> None:
    for part, (x, y) in {"train": train, "test": test}.items():
        if len(x) != len(y):
            raise DataError(f"{path}: x_{part} has {len(x)} examples and y_{part} {len(y)} labels")
    if train.x.shape[1:] != test.x.shape[1:] or train.x.dtype != test.x.dtype:
        raise DataError(
            f"{path}: x_train is {train.x.dtype} {train.x.shape[1:]} and x_test {test.x.dtype} "
            f"{test.x.shape[1:]} for each image: they must agree"
        )
    classes = np.unique(train.y)
    if len(classes) < 2 or not np.array_equal(classes, np.arange(len(classes))):
        raise DataError(
            f"{path}: y_train has the labels {classes[:12].tolist()}, but labels are 0 to K - 1 "
            "with K at least 2, each present"
        )
    if not np.isin(test.y, classes).all():
        unknown = np.setdiff1d(test.y, classes)[:12].tolist()
        raise DataError(f"{path}: y_test has the labels {unknown}, which y_train lacks")
