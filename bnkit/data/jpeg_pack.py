"""CIFAR-10 re-encoded as JPEG (quality 75): 18 MB, for machines that cannot download 170 MB.

The images differ a little from the canonical ones, and decoders differ between builds of
Pillow; so the set carries a note, and the hash of the arrays that were decoded here.
"""

import io
import os
import secrets
from contextlib import suppress
from pathlib import Path

import numpy as np

from bnkit.data.archive import read_arrays
from bnkit.data.cifar10 import split_official
from bnkit.data.dataset import Dataset, Raw, arrays_sha256
from bnkit.data.integrity import check
from bnkit.data.registry import File
from bnkit.errors import DataError
from bnkit.progress import progress_bar

NOTE = "not re-derivable without the pack"
DECODED = "decoded.npz"  # beside the pack, made from it, safe to delete
_KEPT = ("x_train", "y_train", "x_test", "y_test", "pack_sha256", "sha256")


def read(folder: Path, files: tuple[File, ...]) -> Dataset:
    """The pack with CIFAR-10's own splits; decoded once, about 10 s, and kept beside the pack."""
    (pack,) = files
    kept = _read_decoded(folder / DECODED, pack)
    if kept is None:
        path = pack.find(folder)
        check(path, pack)
        kept = decode_pack(path)
        # A folder that is read-only or full costs the next reader ten seconds, no more.
        with suppress(OSError):
            _write_decoded(folder / DECODED, pack, *kept)
    official, test = kept
    sha256 = arrays_sha256(official, test)
    return split_official("cifar10-jpeg75", official, test, sha256, NOTE)


def decode_pack(path: Path) -> tuple[Raw, Raw]:
    """The official training and test set: JPEG files laid end to end, their sizes, the labels."""
    names = ("jpeg", "size", "y")
    parts = [read_arrays(path, *(f"{name}_{part}" for name in names)) for part in ("train", "test")]
    official, test = (Raw(decode_stream(stream, sizes), y) for stream, sizes, y in parts)
    return official, test


def decode_stream(stream: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """JPEG files end to end, (B,) uint8, with their sizes, (N,) -> (N, 3, 32, 32) uint8."""
    try:
        from PIL import Image  # only this set needs it
    except ImportError:
        raise DataError("decoding cifar10-jpeg75 needs Pillow: `pip install pillow`") from None
    images = np.empty((len(sizes), 3, 32, 32), np.uint8)
    jpegs = np.split(stream, np.cumsum(sizes, dtype=np.int64)[:-1])
    with progress_bar(len(sizes), "image", desc="decoding") as bar:
        for image, jpeg in zip(images, jpegs, strict=True):
            rgb = np.asarray(Image.open(io.BytesIO(jpeg.tobytes())).convert("RGB"))
            image[:] = rgb.transpose(2, 0, 1)
            bar.update()
    return images


def _read_decoded(path: Path, pack: File) -> tuple[Raw, Raw] | None:
    """What an earlier run decoded, if it is whole and comes from this pack, else None."""
    try:
        x_train, y_train, x_test, y_test, *claimed = read_arrays(path, *_KEPT)
    except DataError:
        return None
    official, test = Raw(x_train, y_train), Raw(x_test, y_test)
    expected = [pack.sha256, arrays_sha256(official, test)]
    return (official, test) if [str(text) for text in claimed] == expected else None


def _write_decoded(path: Path, pack: File, official: Raw, test: Raw) -> None:
    """Whole or not at all, also when two processes write at once: each has its own .part file."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as stream:
            values = (*official, *test, pack.sha256, arrays_sha256(official, test))
            np.savez(stream, **dict(zip(_KEPT, values, strict=True)))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
