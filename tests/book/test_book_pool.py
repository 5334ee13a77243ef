"""Chapters that fail in every way that was seen, next to some that do not."""

import json
import os
import sys
import time

import psutil
import pytest
from books import chapter, write

from bnkit.book import notebook, pool
from bnkit.book.execute import Job

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kernels")]

WHERE = (
    "import json, os, sys, threading\n"
    "print(json.dumps([sys.executable, os.environ['OMP_NUM_THREADS'], os.getcwd(), seed]))"
)
STREAMS = (
    "import sys\n"
    "print('out', {'a', 'b', 'c'})\n"
    "print('a warning', file=sys.stderr)\n"
    "from tqdm import tqdm\n"
    "for _ in tqdm(range(3)):\n"
    "    pass"
)
CHAPTERS = {
    "fine": ("1 + 1", STREAMS, WHERE),
    "raises": ("1 + 1", "y = 2\nraise ValueError('too\\nlong')", "3"),
    "kernel-killed": ("import os", "os.kill(os.getpid(), 9)", "3"),
    "worker-killed": ("import os", "os.kill(os.getppid(), 9)\nimport time; time.sleep(60)", "3"),
    "cell-too-long": ("import time", "time.sleep(60)", "3"),
    "chapter-too-long": ("import time", "time.sleep(3)", *["time.sleep(3)"] * 20),
    "leaves": ("import sys", "sys.exit(0)", "3"),
}
LIMITS = {"cell-too-long": (2, 300), "chapter-too-long": (120, 8)}


def job(folder, name, **changes):
    cell_seconds, chapter_seconds = LIMITS.get(name, (120, 300))
    fields = {
        "name": name,
        "home": folder,
        "source": folder / f"{name}.ipynb",
        "target": folder / "out" / f"{name}.ipynb",
        "work": folder / "work folder" / "größe {x}" / name,
        "cell_seconds": cell_seconds,
        "chapter_seconds": chapter_seconds,
    }
    return Job(**{**fields, **changes})


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    for name, cells in CHAPTERS.items():
        write(folder / f"{name}.ipynb", chapter(*cells))
    jobs = [job(folder, name) for name in CHAPTERS]
    jobs.append(
        job(
            folder,
            "again",
            source=folder / "fine.ipynb",
            work=job(folder, "fine").work,  # a page may show its folder: the same one
            parameters={"seed": 7},
        )
    )
    found = {done.name: (done, outcome) for done, outcome in pool.run(jobs, 2)}
    return folder, found


def error(outcomes, name):
    ran, outcome = outcomes[1][name]
    assert not ran.target.exists()
    return outcome.error


def test_a_chapter_that_runs_through_is_written(outcomes):
    ran, outcome = outcomes[1]["fine"]
    assert outcome.error == ""
    assert notebook.fault(notebook.read(ran.target)) is None
    assert outcome.peak_bytes > 2**24
    assert 0 < outcome.seconds < 120


def test_the_kernel_is_this_python_with_one_thread_in_the_work_folder(outcomes):
    ran, _ = outcomes[1]["fine"]
    shown = notebook.code_cells(notebook.read(ran.target))[-1]["outputs"][0]["text"]
    assert json.loads(shown) == [sys.executable, "1", str(ran.work), 0]


def test_warnings_are_reported_and_not_published(outcomes):
    ran, outcome = outcomes[1]["fine"]
    assert outcome.stderr == "a warning\n"
    (shown,) = notebook.code_cells(notebook.read(ran.target))[2]["outputs"]
    assert (shown["name"], shown["text"][:3]) == ("stdout", "out")


def test_parameters_reach_the_chapter(outcomes):
    ran, _ = outcomes[1]["again"]
    executed = notebook.read(ran.target)
    assert json.loads(notebook.code_cells(executed)[-1]["outputs"][0]["text"])[-1] == 7


def test_a_cell_that_raises_is_named_with_its_error(outcomes):
    assert error(outcomes, "raises") == "code cell 3 ('y = 2'): ValueError: too"


def test_a_kernel_that_is_killed_is_named_with_its_cell(outcomes):
    assert error(outcomes, "kernel-killed").startswith(
        "code cell 3 ('os.kill(os.getpid(), 9)'): the kernel died"
    )


def test_a_worker_that_is_killed_is_named_with_its_cell(outcomes):
    assert error(outcomes, "worker-killed") == (
        "code cell 3 ('os.kill(os.getppid(), 9)'): its process was killed"
    )


def test_a_cell_over_its_limit_is_named(outcomes):
    assert error(outcomes, "cell-too-long") == (
        "code cell 3 ('time.sleep(60)'): took longer than the limit of 2 s for a cell"
    )


def test_a_chapter_over_its_limit_is_named(outcomes):
    message = error(outcomes, "chapter-too-long")
    assert message.startswith("code cell ")
    assert message.endswith("took longer than the limit of 8 s")


def test_a_chapter_that_leaves_early_did_not_run_through(outcomes):
    assert error(outcomes, "leaves").startswith("code cell 3 ('sys.exit(0)'): SystemExit")


def test_nothing_runs_and_nothing_lies_around_afterwards(outcomes):
    folder, _ = outcomes
    assert not [path for path in (folder / "work folder").rglob("*") if path.is_file()]
    assert processes_in(folder) == []


def test_leaving_the_loop_ends_what_runs(tmp_path):
    write(tmp_path / "endless.ipynb", chapter("import time\ntime.sleep(600)"))
    write(tmp_path / "fine.ipynb", chapter("1"))
    started = time.monotonic()
    results = pool.run([job(tmp_path, "endless"), job(tmp_path, "fine")], 2)
    assert next(results)[0].name == "fine"
    results.close()
    assert processes_in(tmp_path) == []
    assert time.monotonic() - started < 60


def processes_in(folder):
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(folder)) and process.pid != os.getpid():
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_killing_goes_on_until_nothing_is_left(tmp_path, monkeypatch):
    scans = iter([True, True, False, True])
    monkeypatch.setattr(pool, "_kill_in", lambda folder: next(scans))
    pool.end_all_in(tmp_path)
    assert list(scans) == [True]  # looked three times, and no more
