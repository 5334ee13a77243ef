"""Downloads against a server on this machine that does everything wrong."""

import errno
import gzip
import hashlib
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pooch
import pytest

import bnkit.data
from bnkit.data import fetch as fetching
from bnkit.data import registry
from bnkit.data.fetch import fetch
from bnkit.data.registry import File
from bnkit.errors import DataError

GOOD = gzip.compress(bytes(range(256)) * 400, mtime=0)
SHA256 = hashlib.sha256(GOOD).hexdigest()
NAME = "images.gz"


class Faulty(BaseHTTPRequestHandler):
    """The path names the fault."""

    def do_GET(self):
        match self.path.split("/")[1]:
            case "good":
                self.answer(GOOD)
            case "slow":
                time.sleep(0.3)
                self.answer(GOOD)
            case "cut":
                self.answer(GOOD[: len(GOOD) // 2], length=len(GOOD))
            case "short":
                self.answer(GOOD[:-1])
            case "long":
                self.answer(GOOD + b"\0")
            case "empty":
                self.answer(b"")
            case "flipped":
                self.answer(GOOD[:-20] + bytes([GOOD[-20] ^ 1]) + GOOD[-19:])
            case "html":
                self.answer(b"\n<!DOCTYPE html><title>Sign in to the network</title>")
            case "loop":
                self.send_response(302)
                self.send_header("Location", self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()
            case "error":
                self.send_error(503)
            case "stalled":
                self.server.released.wait(20)
            case "stalled-midway":
                self.answer(GOOD[: len(GOOD) // 2], length=len(GOOD), then_wait=True)

    def answer(self, content, length=None, then_wait=False):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)
        if then_wait:
            self.wfile.flush()
            self.server.released.wait(20)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Faulty) as server:
        server.released = threading.Event()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _direct(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


def file_at(*urls: str) -> File:
    return File(NAME, SHA256, len(GOOD), urls)


def refused_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def test_a_good_file_gets_its_name(server, tmp_path):
    fetch(file_at(f"{server}/good"), tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder" / NAME).read_bytes() == GOOD


FAULTS = {
    "cut": "no connection, or it broke off",
    "short": "bytes instead of",
    "long": "bytes instead of",
    "empty": "it has 0 bytes instead of",
    "flipped": "it has SHA-256",
    "html": "it is an HTML page",
    "loop": "redirects in a circle",
    "error": "the server answers 503",
    "stalled": "no answer for 0.5 s",
    "stalled-midway": "no answer for 0.5 s",
}


@pytest.mark.parametrize(("fault", "reason"), FAULTS.items(), ids=FAULTS)
def test_a_bad_file_never_gets_the_name(server, tmp_path, monkeypatch, fault, reason):
    monkeypatch.setattr(fetching, "TIMEOUT", 0.5)
    start = time.monotonic()
    with pytest.raises(DataError) as caught:
        fetch(file_at(f"{server}/{fault}"), tmp_path)
    assert time.monotonic() - start < 5
    message = str(caught.value)
    assert reason in message
    for part in (f"{server}/{fault}", str(tmp_path / NAME), SHA256, "by hand"):
        assert part in message
    assert len(message.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_bad_mirror_the_next_one_is_tried(server, tmp_path, monkeypatch, fault):
    monkeypatch.setattr(fetching, "TIMEOUT", 0.5)
    fetch(file_at(f"{server}/{fault}", f"{server}/good"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).read_bytes() == GOOD


def test_no_network_is_one_line_with_every_mirror(tmp_path):
    urls = refused_port(), refused_port()
    with pytest.raises(DataError) as caught:
        fetch(file_at(*urls), tmp_path)
    for url in urls:
        assert f"{url}: no connection" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_stalled_server_is_given_up_within_half_a_minute():
    assert 0 < fetching.TIMEOUT <= 30


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot write images\.gz into .*: set BNKIT_DATA"):
        fetch(file_at(f"{server}/good"), tmp_path / "file" / "mnist")


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    class FullDisk:
        def __init__(self, **_):
            pass

        def __call__(self, url, partial, registry):
            with open(partial, "wb") as stream:  # noqa: PTH123
                stream.write(GOOD[:100])
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pooch, "HTTPDownloader", FullDisk)
    with pytest.raises(DataError, match=r"no space left for images.gz \([\d,]+ bytes\)"):
        fetch(file_at("http://a.invalid/", "http://b.invalid/"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    class Interrupted:
        def __init__(self, **_):
            pass

        def __call__(self, url, partial, registry):
            raise KeyboardInterrupt

    monkeypatch.setattr(pooch, "HTTPDownloader", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(file_at("http://a.invalid/"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_pooch_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match="needs pooch: `pip install pooch`, or place it by hand"):
        fetch(file_at("http://a.invalid/"), tmp_path)


def test_two_downloads_at_once_end_in_one_good_file(server, tmp_path):
    file = file_at(f"{server}/slow")
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(fetch, file, tmp_path) for _ in range(4)]:
            future.result()
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).read_bytes() == GOOD


def test_load_downloads_only_what_is_absent(mnist, cache, monkeypatch):
    images, *_ = registry.FILES["mnist"]
    path = cache / "mnist" / images.name
    content = path.read_bytes()
    path.unlink()
    served = []

    def serve(file, folder):
        served.append(file.name)
        (folder / file.name).write_bytes(content)

    monkeypatch.setattr("bnkit.data.loading.fetch", serve)
    bnkit.data.load("mnist")
    assert served == [images.name]


@pytest.fixture
def offline(monkeypatch):
    """Any use of a socket is an error."""

    def blocked(*_):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)


def test_what_is_present_loads_offline(offline, mnist):
    assert len(bnkit.data.load("mnist").test) == 40


@pytest.mark.parametrize("name", ["mnist", "mnist1k", "cifar10"])
def test_what_is_absent_says_how_to_place_it(offline, cache, name):
    with pytest.raises(DataError) as caught:
        bnkit.data.load(name, download=False)
    file = registry.FILES["cifar10" if name == "cifar10" else "mnist"][0]
    folder = cache / ("cifar10" if name == "cifar10" else "mnist")
    message = str(caught.value)
    for part in (str(folder / file.name), file.sha256, file.urls[0], f"bnkit data {name}"):
        assert part in message
    assert len(message.splitlines()) == 1
    assert not cache.exists()
