"""Which files make up a data set, and how does one know them? Names, hashes, addresses."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class File:
    """One file of a data set, as its authors published it.

    Attributes:
        name: the canonical file name.
        sha256: of the file as published.
        num_bytes: its size.
        urls: where to get it, in the order to try; empty if it has no public address.
        raw_sha256: of the decompressed bytes, where any compression of them is accepted.
    """

    name: str
    sha256: str
    num_bytes: int
    urls: tuple[str, ...] = ()
    raw_sha256: str | None = None

    def find(self, folder: Path) -> Path | None:
        """The file in `folder`, compressed or (if `raw_sha256` is known) not, or None."""
        names = [self.name] if self.raw_sha256 is None else [self.name, Path(self.name).stem]
        return next((folder / name for name in names if (folder / name).is_file()), None)

    def by_hand(self, folder: Path) -> str:
        """The part of an error message that says how to place the file by hand."""
        raw = f" (decompressed: {self.raw_sha256})" if self.raw_sha256 else ""
        origin = f"published at {self.urls[0]}" if self.urls else "it has no public address"
        return f"place it by hand at {folder / self.name}: SHA-256 {self.sha256}{raw}; {origin}"


_MNIST_MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)


def _mnist(name: str, num_bytes: int, sha256: str, raw_sha256: str) -> File:
    return File(name, sha256, num_bytes, tuple(m + name for m in _MNIST_MIRRORS), raw_sha256)


# Folder in the cache -> its files; MNIST in the order x_train, y_train, x_test, y_test.
FILES: dict[str, tuple[File, ...]] = {
    "mnist": (
        _mnist(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        _mnist(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        _mnist(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        _mnist(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    "cifar10": (
        File(
            "cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            170_052_171,
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
        ),
    ),
    "cifar10-jpeg75": (
        File(
            "cifar10_jpeg75.pack.npz",
            "917bad8395dd64135fa050a4970bc145506d09becc786e24b2bc190c407bf9db",
            18_299_412,
        ),
    ),
}
