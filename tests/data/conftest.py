"""Small stand-ins for the real files: a cache of their own, and hashes to match."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bnkit.data import loading, registry
from bnkit.data.registry import File

NUM_TRAIN, NUM_TEST = 6_200, 40  # 5,000 go to validation, mnist1k takes 1,000 of the rest


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def idx(array: np.ndarray) -> bytes:
    shape = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return b"\0\0\x08" + bytes([array.ndim]) + shape + array.tobytes()


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty data cache; what other tests have loaded is forgotten."""
    folder = tmp_path / "cache with spaces ü"
    monkeypatch.setenv("BNKIT_DATA", str(folder))
    for read in (loading._read, loading._read_digits, loading._read_npz):
        read.cache_clear()
    return folder


@pytest.fixture
def mnist(cache, monkeypatch, rng):
    """Arrays of a small MNIST whose gzip'd files are in the cache."""
    arrays = {
        "train-images-idx3-ubyte": rng.integers(0, 256, (NUM_TRAIN, 4, 3), dtype=np.uint8),
        "train-labels-idx1-ubyte": (np.arange(NUM_TRAIN) % 10).astype(np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (NUM_TEST, 4, 3), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": (np.arange(NUM_TEST) % 10).astype(np.uint8),
    }
    (cache / "mnist").mkdir(parents=True)
    files = []
    for name, array in arrays.items():
        raw = idx(array)
        packed = gzip.compress(raw, mtime=0)
        (cache / "mnist" / f"{name}.gz").write_bytes(packed)
        url = f"https://mirror.invalid/{name}.gz"
        files.append(File(f"{name}.gz", sha256(packed), len(packed), (url,), sha256(raw)))
    monkeypatch.setitem(registry.FILES, "mnist", tuple(files))
    return tuple(arrays.values())


@pytest.fixture
def cifar10(cache, monkeypatch):
    """Records of a small CIFAR-10, (N, 3073), whose archive is in the cache."""
    records = np.zeros((5_050 + NUM_TEST, 3073), np.uint8)
    records[:, 0] = np.arange(len(records)) % 10
    # One value for each channel of each image: enough to see an image or a channel in its place.
    for channel in range(3):
        values = (np.arange(len(records)) * 37 + channel * 61) % 251
        records[:, 1 + 1024 * channel : 1 + 1024 * (channel + 1)] = values[:, None]
    parts = np.split(records[:5_050], 5)
    members = {f"data_batch_{i}.bin": part for i, part in enumerate(parts, 1)}
    members["test_batch.bin"] = records[5_050:]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for name in sorted(members, reverse=True):  # the real archive is not in order either
            content = members[name].tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    path = cache / "cifar10" / "cifar-10-binary.tar.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(packed.getvalue())
    file = File(path.name, sha256(packed.getvalue()), path.stat().st_size, ("https://a.invalid/",))
    monkeypatch.setitem(registry.FILES, "cifar10", (file,))
    return records


@pytest.fixture(scope="session")
def pack_content() -> tuple[bytes, np.ndarray]:
    """A pack of images of one color each, and the colors, (N, 3)."""
    num = 5_050 + NUM_TEST
    colors = np.random.default_rng(3).integers(0, 256, (num, 3), dtype=np.uint8)
    jpegs = []
    for color in colors:
        jpeg = io.BytesIO()
        Image.new("RGB", (32, 32), tuple(color.tolist())).save(jpeg, "JPEG", quality=75)
        jpegs.append(jpeg.getvalue())
    labels = (np.arange(num) % 10).astype(np.uint8)
    arrays = {}
    for part, rows in {"train": slice(0, 5_050), "test": slice(5_050, None)}.items():
        arrays[f"jpeg_{part}"] = np.frombuffer(b"".join(jpegs[rows]), np.uint8)
        arrays[f"size_{part}"] = np.array([len(j) for j in jpegs[rows]], np.uint16)
        arrays[f"y_{part}"] = labels[rows]
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    return packed.getvalue(), colors


@pytest.fixture
def pack(cache, monkeypatch, pack_content):
    """The folder that holds a small JPEG pack, and the colors of its images."""
    content, colors = pack_content
    folder = cache / "cifar10-jpeg75"
    folder.mkdir(parents=True)
    (folder / "cifar10_jpeg75.pack.npz").write_bytes(content)
    file = File("cifar10_jpeg75.pack.npz", sha256(content), len(content))
    monkeypatch.setitem(registry.FILES, "cifar10-jpeg75", (file,))
    return folder, colors
