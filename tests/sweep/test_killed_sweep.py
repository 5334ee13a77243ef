"""A sweep that is killed at any moment and started again ends as one that was never disturbed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from bnkit import store

NUM_KILLS = 20
NUM_SEEDS = 400
TWO_WORKERS = (3, 9, 15)  # the kills at which processes of their own do the work
SWEEP = [sys.executable, "-m", "bnkit", "sweep", "toy", "--arms", "long"]


def start(environment, workers):
    return subprocess.Popen(
        [*SWEEP, "--seeds", f"0-{NUM_SEEDS - 1}", "--workers", str(workers)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def is_working(process, records, already):
    """Has it begun to store, or ended? So that most kills do not merely hit its imports."""
    files = len(list(records.rglob("seed-*.csv")))
    return files > already or process.poll() is not None


def children_of(pid):
    with suppress(FileNotFoundError, ProcessLookupError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(c) for task in tasks for c in (task / "children").read_text().split()]
    return []


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="finds the sweep's workers in /proc"
)


@pytest.mark.slow
@needs_proc
def test_a_sweep_killed_twenty_times_ends_with_the_rows_of_an_undisturbed_one(
    records, toy, environment
):
    rng = np.random.default_rng(20)
    spec = toy.ARMS["long"]
    counts, orphans = [], []
    for kill in range(NUM_KILLS):
        already = len(list(records.rglob("seed-*.csv")))
        process = start(environment, workers=2 if kill in TWO_WORKERS else 1)
        if kill % 5 == 4:  # while it starts
            time.sleep(rng.uniform(0, 1.0))
        else:  # while it runs and stores
            while not is_working(process, records, already):
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.1))
        assert process.poll() is None, "it ended before it could be killed: ask for more seeds"
        orphans += children_of(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        counts.append(len(store.intact_seeds("toy", spec)))
    assert counts == sorted(counts)  # nothing finished was lost
    assert 0 < counts[-1] < NUM_SEEDS

    last = start(environment, workers=1)
    assert last.wait(timeout=600) == 0
    assert sorted(store.load("toy", spec)) == sorted(toy.run(spec, range(NUM_SEEDS)))
    place = store.folder("toy", spec)
    assert not list(place.glob(".*.part"))
    assert len(list(place.glob("seed-*.csv"))) == NUM_SEEDS

    deadline = time.monotonic() + 15
    while any(map(is_alive, orphans)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in orphans if is_alive(pid)]


@pytest.mark.slow
@needs_proc
def test_a_worker_that_is_killed_ends_the_sweep_with_one_line_and_loses_nothing(
    records, toy, environment
):
    command = [*SWEEP, "--seeds", f"0-{NUM_SEEDS - 1}", "--workers", "2"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    while not is_working(process, records, 0):
        time.sleep(0.01)
    workers = [pid for pid in children_of(process.pid) if "popen_loky" in command_of(pid)]
    os.kill(workers[0], signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("error: a worker process was killed, perhaps for want of memory")
    assert 0 < len(store.intact_seeds("toy", toy.ARMS["long"])) < NUM_SEEDS
