"""The same sweep on a cluster of two workers, one of which dies with a task in hand."""

import re
import subprocess
import sys
import time

import pytest

from bnkit import store

pytest.importorskip("distributed", reason="`pip install 'bnkit[cluster]'` brings Dask")

SEEDS = range(8)  # four tasks of two seeds, each of a second


@pytest.fixture
def start(environment, tmp_path):
    """Start a process whose output goes to a file; all are ended afterwards."""
    processes = []

    def start(*command):
        log = (tmp_path / f"{len(processes)}.log").open("w+")
        process = subprocess.Popen(
            [sys.executable, "-m", *map(str, command)], env=environment, stdout=log, stderr=log
        )
        processes.append((process, log))
        return process, log

    yield start
    for process, log in reversed(processes):
        process.kill()
        process.wait()
        log.close()


def wait_for(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"waited {seconds} s for {condition.__name__}")


@pytest.fixture
def cluster(start):
    """A scheduler on a free port of this machine, its two workers by name, and a client."""
    from distributed import Client

    _, log = start(
        "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard"
    )

    def address():
        log.seek(0)
        return re.search(r"Scheduler at:\s*(tcp://127\.0\.0\.1:\d+)", log.read())

    scheduler = wait_for(address)[1]
    workers = {
        name: start(
            "distributed.cli.dask_worker", scheduler, "--host", "127.0.0.1", "--name", name,
            "--nthreads", 1, "--no-nanny", "--no-dashboard",
        )[0]
        for name in ("first", "second")
    }  # fmt: skip
    with Client(scheduler, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=300)
        yield scheduler, workers, client


@pytest.mark.slow
@pytest.mark.filterwarnings("default::ResourceWarning", "default::DeprecationWarning")
def test_a_worker_that_dies_with_a_task_in_hand_costs_no_row(cluster, start, toy, records):
    scheduler, workers, client = cluster
    command = ("bnkit", "sweep", "toy", "--arms", "slow", "--seeds", f"0-{SEEDS[-1]}")
    sweep, log = start(*command, "--scheduler", scheduler)

    def both_are_busy():
        return len(client.call_stack()) == 2  # of the tasks that are being executed now

    wait_for(both_are_busy)
    workers["second"].kill()
    workers["second"].wait()
    assert sweep.wait(timeout=300) == 0, log.seek(0) or log.read()

    spec = toy.ARMS["slow"]
    assert store.intact_seeds("toy", spec) == list(SEEDS)
    assert sorted(store.load("toy", spec)) == sorted(toy.run(spec, SEEDS))
    assert workers["first"].poll() is None
