"""From a name to a data set: find the files, fetch what is absent, read once."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from bnkit import places
from bnkit.data import cifar10, digits, jpeg_pack, mnist, npz, registry
from bnkit.data.dataset import Dataset
from bnkit.data.fetch import fetch
from bnkit.errors import DataError, InputError

# Name -> its folder in the cache, and what reads (folder, files).
_FROM_FILES: dict[str, tuple[str, Callable[..., Dataset]]] = {
    "mnist": ("mnist", mnist.read),
    "mnist1k": ("mnist", mnist.read_small),
    "cifar10": ("cifar10", cifar10.read),
    "cifar10-jpeg75": ("cifar10-jpeg75", jpeg_pack.read),
}

NAMES: tuple[str, ...] = ("digits", *_FROM_FILES)


def load(name: str = "digits", *, download: bool = True) -> Dataset:
    """The data set `name`, standardized and split; a second call returns the same object.

    Args:
        name: one of `NAMES`, or the path of an .npz file with x_train, y_train, x_test, y_test.
        download: fetch the files that are absent; if false, an absent file is an error.

    Raises:
        InputError: there is no data set of this name.
        DataError: a file is absent, damaged or cannot be fetched; one line says which, the
            SHA-256 expected and how to place it by hand.
    """
    name = str(name)  # a Path is welcome
    if name.endswith(".npz"):
        path = Path(name).expanduser().resolve()
        stat = path.stat() if path.is_file() else None
        return _read_npz(path, stat and (stat.st_mtime_ns, stat.st_size))
    if name == "digits":
        return _read_digits()
    folder, files = files_of(name)
    for file in files:
        if file.find(folder) is None:
            if not download and file.urls:
                raise DataError(
                    f"{folder / file.name} is missing: run `python -m bnkit data {name}` with a "
                    f"network, or {file.by_hand(folder)}"
                )
            fetch(file, folder)
    return _read(name, folder, files)


def files_of(name: str) -> tuple[Path, tuple[registry.File, ...]]:
    """The folder of a data set and the files that belong there; none for digits."""
    if name not in NAMES:
        raise InputError(
            f"unknown data set {name!r}: choose {', '.join(NAMES)}, or the path of an .npz file"
        )
    if name == "digits":
        return digits.SPLIT_FILE.parent, ()
    folder, _ = _FROM_FILES[name]
    return places.data_cache() / folder, registry.FILES[folder]


# CIFAR-10 takes 0.75 GB in memory: two sets are kept, not all.
@lru_cache(maxsize=2)
def _read(name: str, folder: Path, files: tuple[registry.File, ...]) -> Dataset:
    _, read = _FROM_FILES[name]
    try:
        return read(folder, files)
    except OSError as error:
        raise DataError(f"cannot read {name} in {folder}: {error.strerror or error}") from error


@lru_cache(maxsize=1)
def _read_digits() -> Dataset:
    return digits.read()


@lru_cache(maxsize=2)
def _read_npz(path: Path, version: tuple[int, int] | None) -> Dataset:
    """`version` is the time and size of the file: an edited file is read anew."""
    return npz.read(path)
