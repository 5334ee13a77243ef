"""From chapters to site, with kernels; the page builder is a stand-in but in the last test."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from books import book, chapter, entry, write
from filelock import FileLock
from test_book_pool import processes_in

from bnkit.__main__ import main
from bnkit.book import build, files, notebook, site
from bnkit.book.manifest import Manifest

slow = [pytest.mark.slow, pytest.mark.xdist_group("kernels")]


@pytest.fixture
def stand_in(monkeypatch):
    """A builder of pages that takes no time: one page, the digest of what was staged."""

    def fake(folders):
        page = folders.build / "site" / "new" / "index.html"
        files.replace(page, files.tree_digest(folders.stage).encode())
        return page.parent

    monkeypatch.setattr(site, "build", fake)


def built(folders, **changes):
    said = []
    code = build.build(folders, num_workers=2, say=said.append, **changes)
    return code, "\n".join(said)


@pytest.fixture
def ran(monkeypatch):
    """The chapters that a build executes, as a list that grows."""
    names = []
    original = build.pool.run

    def spy(jobs, num_workers):
        names.extend(job.name for job in jobs)
        return original(jobs, num_workers)

    monkeypatch.setattr(build.pool, "run", spy)
    return names


class TestTheLifeOfABook:
    pytestmark = slow

    @pytest.fixture(autouse=True)
    def _without_pages(self, stand_in, monkeypatch):
        monkeypatch.delenv("BNKIT_REPOSITORY", raising=False)
        # Somebody may edit the package while the test runs; test_book_keys.py has this part.
        monkeypatch.setattr(build.keys, "surroundings", lambda home: "the same")

    def test_from_a_broken_chapter_to_a_site_that_needs_nothing(self, tmp_path, ran):
        folders = book(tmp_path, good=chapter("print(6 * 7)"), bad=chapter("1 / 0"))
        files.replace(folders.html / "index.html", b"yesterday's")

        code, said = built(folders)
        assert code == 1
        assert "1 of 2 chapters failed: part/bad" in said
        assert "FAILED part/bad: code cell 2 ('1 / 0'): ZeroDivisionError" in said
        assert (folders.html / "index.html").read_bytes() == b"yesterday's"
        assert not folders.executed("part/bad").exists()

        write(tmp_path / "chapters/part/bad.ipynb", chapter("1 / 1"))
        ran.clear()
        assert built(folders)[0] == 0
        assert ran == ["part/bad"]
        page = (folders.html / "index.html").read_bytes()
        assert page != b"yesterday's"

        ran.clear()
        code, said = built(folders)
        assert (code, ran) == (0, [])
        assert said.startswith("nothing changed")

        write(tmp_path / "chapters/part/good.ipynb", chapter("print(6 * 7)  # why", title="New"))
        assert built(folders)[0] == 0
        assert ran == []
        assert (folders.html / "index.html").read_bytes() != page

        (folders.html / "index.html").write_bytes(b"damaged")
        assert built(folders)[0] == 0
        assert ran == []
        assert (folders.html / "index.html").read_bytes() != b"damaged"

        folders.executed("part/bad").write_bytes(b"{}")
        assert built(folders)[0] == 0
        assert ran == ["part/bad"]

    def test_the_longest_chapter_starts_first_and_a_new_one_before_it(self, tmp_path, ran):
        folders = book(tmp_path, a=chapter("1"), b=chapter("1"), c=chapter("1"))
        known = {"part/a": entry(seconds=1.0), "part/b": entry(seconds=9.0)}
        Manifest(known).write(folders.manifest)
        assert built(folders)[0] == 0
        assert ran == ["part/c", "part/b", "part/a"]

    def test_a_profile_is_given_to_every_chapter(self, tmp_path):
        folders = book(tmp_path, one=chapter("print(profile)"))
        assert built(folders, parameters={"profile": "smoke"})[0] == 0
        cells = notebook.code_cells(notebook.read(folders.executed("part/one")))
        assert cells[-1]["outputs"][0]["text"] == "smoke\n"

    def test_two_runs_have_the_same_bytes(self, tmp_path):
        draws = chapter(
            "from bnkit.book import begin\nsettings = begin(globals())",
            "import random\nimport matplotlib.pyplot as plt\n"
            "print(random.random(), {'a', 'b', 'c'})\nplt.plot([1, 3, 2]);",
        )
        contents = []
        for name in ("first", "second"):
            folders = book(tmp_path / name, one=draws)
            assert built(folders)[0] == 0
            contents.append(folders.executed("part/one").read_bytes())
        assert contents[0] == contents[1]
        assert b"<svg" in contents[0]

    def test_one_chapter_runs_alone_with_parameters_of_its_own(self, tmp_path, monkeypatch, capsys):
        book(tmp_path, one=chapter("print(seed)"))
        monkeypatch.setenv("BNKIT_HOME", str(tmp_path))
        out = tmp_path / "out.ipynb"
        assert main(["book", "run", "one", "-p", "seed", "5", "-o", str(out)]) == 0
        cells = notebook.code_cells(notebook.read(out))
        assert cells[-1]["outputs"][0]["text"] == "5\n"
        assert not (tmp_path / "_build").exists()


def test_a_second_build_at_the_same_time_is_told_so(tmp_path, monkeypatch, capsys):
    folders = book(tmp_path, one=chapter("1"))
    folders.build.mkdir()
    monkeypatch.setenv("BNKIT_HOME", str(tmp_path))
    with FileLock(folders.lock):
        assert main(["book"]) == 2
    assert "another build holds" in capsys.readouterr().err


def test_a_full_disk_is_one_line_and_the_old_site_stays(tmp_path, monkeypatch, stand_in, capsys):
    folders = book(tmp_path)
    files.replace(folders.html / "index.html", b"old")
    monkeypatch.setenv("BNKIT_HOME", str(tmp_path))

    def full(folders, manifest):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folders.stage))

    monkeypatch.setattr(build, "stage", full)
    assert main(["book"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "No space left on device" in error
    assert (folders.html / "index.html").read_bytes() == b"old"


def test_a_place_that_cannot_be_written_is_one_line(tmp_path, monkeypatch, capsys):
    book(tmp_path)
    monkeypatch.setenv("BNKIT_HOME", str(tmp_path))
    (tmp_path / "file").touch()
    assert main(["book", "--build-dir", str(tmp_path / "file" / "inside")]) == 2
    assert "give another --build-dir" in capsys.readouterr().err


def started(home, marker):
    """A build in a process of its own, once its endless chapter runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bnkit", "book", "--workers", "1"],
        env={**os.environ, "BNKIT_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not marker.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert marker.exists()
    return process


@pytest.mark.slow
@pytest.mark.xdist_group("kernels")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_build_that_is_stopped_leaves_no_process_and_no_half_file(tmp_path, number, code):
    marker = tmp_path / "marker"
    endless = chapter(
        f"import pathlib, time\npathlib.Path({str(marker)!r}).touch()", "time.sleep(600)"
    )
    folders = book(tmp_path, one=endless)
    files.replace(folders.html / "index.html", b"old")
    with started(tmp_path, marker) as process:
        os.killpg(process.pid, number)
        stopped = time.monotonic()
        assert process.wait(60) == code
        if number == signal.SIGINT:
            assert time.monotonic() - stopped < 30
        deadline = time.monotonic() + 45
        while processes_in(folders.work) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert processes_in(folders.work) == []
    assert (folders.html / "index.html").read_bytes() == b"old"
    assert not folders.executed("part/one").exists()
    with build.locked(folders):  # the lock of a dead build is no lock
        assert Manifest.read(folders.manifest) == Manifest()


@pytest.mark.slow
@pytest.mark.xdist_group("kernels")
def test_the_real_builder_refuses_a_dead_link_and_says_where(tmp_path):
    folders = book(tmp_path)
    assert built(folders)[0] == 0
    before = files.tree_digest(folders.html)
    (tmp_path / "chapters/index.md").write_text("# A book\n\n{doc}`nowhere`\n")
    code, said = built(folders)
    assert code == 1
    assert "index.md:3" in said
    assert "nowhere" in said
    assert files.tree_digest(folders.html) == before
