import errno
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import bnkit.data
from bnkit.data import jpeg_pack, loading, registry
from bnkit.data.dataset import arrays_sha256
from bnkit.data.splits import hold_out_last
from bnkit.errors import DataError


@pytest.fixture
def load_anew():
    def load() -> bnkit.data.Dataset:
        loading._read.cache_clear()
        return bnkit.data.load("cifar10-jpeg75")

    return load


def test_each_image_keeps_its_color_its_label_and_its_place(pack):
    _, colors = pack
    data = bnkit.data.load("cifar10-jpeg75")
    train, _ = hold_out_last(5_050)
    # JPEG rounds a flat color in YCbCr and back: each channel stays within 3 of 255.
    for split, expected in [(data.train, colors[train]), (data.test, colors[5_050:])]:
        pixels = split.pixels * 255
        np.testing.assert_array_equal(np.ptp(pixels, axis=(2, 3)), 0)
        np.testing.assert_allclose(pixels[:, :, 0, 0], expected, atol=3)
    np.testing.assert_array_equal(data.train.y, train % 10)


def test_the_set_says_that_it_is_not_the_original(pack):
    data = bnkit.data.load("cifar10-jpeg75")
    assert data.name == "cifar10-jpeg75"
    assert data.note == "not re-derivable without the pack"


def test_the_second_load_decodes_nothing(pack, load_anew, monkeypatch):
    first = load_anew()
    monkeypatch.setattr(jpeg_pack, "decode_pack", None)
    second = load_anew()
    assert second.sha256 == first.sha256
    np.testing.assert_array_equal(second.train.x, first.train.x)


def test_the_hash_is_of_what_was_decoded_here(pack, load_anew, monkeypatch):
    before = load_anew().sha256
    folder, _ = pack
    assert before == arrays_sha256(*jpeg_pack.decode_pack(folder / "cifar10_jpeg75.pack.npz"))
    (folder / "decoded.npz").unlink()
    decode = jpeg_pack.decode_stream

    def another_build(stream, sizes):
        images = decode(stream, sizes)
        images[0, 0, 0, 0] ^= 1
        return images

    monkeypatch.setattr(jpeg_pack, "decode_stream", another_build)
    assert load_anew().sha256 != before


def damage_pixel(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGE = {
    "empty": lambda _: b"",
    "cut early": lambda c: c[:100],
    "cut late": lambda c: c[:-1],
    "flipped bit": damage_pixel,
    "HTML": lambda _: b"<html>",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_decoded_file_is_made_again(pack, load_anew, damage):
    folder, _ = pack
    sha256 = load_anew().sha256
    path = folder / "decoded.npz"
    good = path.read_bytes()
    path.write_bytes(damage(good))
    assert load_anew().sha256 == sha256
    assert jpeg_pack._read_decoded(path, registry.FILES["cifar10-jpeg75"][0]) is not None


def test_what_another_pack_decoded_to_is_not_used(pack, load_anew):
    folder, _ = pack
    sha256 = load_anew().sha256
    with np.load(folder / "decoded.npz") as kept:
        arrays = dict(kept)
    arrays["x_test"] = arrays["x_test"] // 2
    parts = [jpeg_pack.Raw(arrays[f"x_{p}"], arrays[f"y_{p}"]) for p in ("train", "test")]
    arrays |= {"sha256": arrays_sha256(*parts), "pack_sha256": "0" * 64}
    np.savez(folder / "decoded.npz", **arrays)
    assert load_anew().sha256 == sha256


def test_a_full_disk_costs_only_the_kept_copy(pack, monkeypatch):
    def full(stream, **_):
        stream.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    folder, _ = pack
    assert len(bnkit.data.load("cifar10-jpeg75").validation) == 5_000
    assert [path.name for path in folder.iterdir()] == ["cifar10_jpeg75.pack.npz"]


def test_a_damaged_pack_is_refused(pack):
    folder, _ = pack
    path = folder / "cifar10_jpeg75.pack.npz"
    path.write_bytes(damage_pixel(path.read_bytes()))
    (file,) = registry.FILES["cifar10-jpeg75"]
    with pytest.raises(DataError, match=f"instead of {file.sha256}; place it by hand"):
        bnkit.data.load("cifar10-jpeg75")


@pytest.mark.parametrize("download", [True, False])
def test_an_absent_pack_says_that_it_has_no_address(cache, download):
    with pytest.raises(
        DataError, match=r"917bad8395dd64135f.*; it has no public address"
    ) as caught:
        bnkit.data.load("cifar10-jpeg75", download=download)
    assert "with a network" not in str(caught.value)


def test_without_pillow_one_line_says_what_to_install(pack, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match="needs Pillow: `pip install pillow`"):
        bnkit.data.load("cifar10-jpeg75")


def test_a_writer_that_is_overtaken_still_leaves_a_whole_file(pack, monkeypatch):
    folder, _ = pack
    (file,) = registry.FILES["cifar10-jpeg75"]
    parts = jpeg_pack.decode_pack(folder / file.name)
    path = folder / "decoded.npz"
    savez = np.savez

    def overtaken(stream, **arrays):
        monkeypatch.setattr(np, "savez", savez)
        jpeg_pack._write_decoded(path, file, *parts)  # another writer, from start to end
        savez(stream, **arrays)

    monkeypatch.setattr(np, "savez", overtaken)
    jpeg_pack._write_decoded(path, file, *parts)
    assert jpeg_pack._read_decoded(path, file) is not None
    assert {path.name for path in folder.iterdir()} == {file.name, "decoded.npz"}


@pytest.mark.slow
def test_processes_that_decode_at_once_do_not_disturb_each_other(pack, cache):
    folder, _ = pack
    (file,) = registry.FILES["cifar10-jpeg75"]
    code = textwrap.dedent(f"""
        import bnkit.data
        from bnkit.data import registry
        registry.FILES["cifar10-jpeg75"] = (registry.{file!r},)
        print(bnkit.data.load("cifar10-jpeg75").sha256)
    """)
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    hashes = {run.communicate()[0] for run in runs}
    assert [run.returncode for run in runs] == [0] * 4
    assert hashes == {bnkit.data.load("cifar10-jpeg75").sha256 + "\n"}
    assert {path.name for path in folder.iterdir()} == {"cifar10_jpeg75.pack.npz", "decoded.npz"}
