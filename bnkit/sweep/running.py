"""Run what is absent: on this machine's cores, or on a Dask cluster; store it as it finishes.

A sweep that was killed goes on where it stopped when it is started again. On a cluster a worker
that dies with a task in hand costs that task a second try, not its rows; here it ends the sweep,
because what it died of, such as too little memory, would happen again.
"""

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from bnkit import experiments, places, store
from bnkit.errors import InputError
from bnkit.progress import progress_bar
from bnkit.sweep.origin import data_sha256, rules_served
from bnkit.sweep.tasks import Done, Task, num_cores, perform_in_time, plan

Work = Callable[[Task], Done | None]


def run(
    experiment: str,
    specs: Iterable[Any],
    seeds: Sequence[int],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    deadline: float | None = None,
    seed_seconds: float = 0.0,
    root: Path | None = None,
    quiet: bool = False,
) -> int:
    """Run and store what is not yet recorded.

    Args:
        experiment: a name of `experiments.names()`.
        specs: the arms.
        seeds: for each arm.
        workers: processes; one a core if absent.
        scheduler: address of a Dask scheduler, for example "tcp://10.0.0.1:8786"; its workers
            need bnkit, the data sets and nothing else.
        deadline: seconds since the epoch: no task is begun that would not be done by then, going
            by how long the arm's other seeds took; none if absent.
        seed_seconds: how long a seed is expected to take in an arm of which none is recorded.
        root: the records' folder.
        quiet: no progress bar.

    Returns:
        How many seeds were run.

    Raises:
        InputError: another sweep is writing this experiment's records, no scheduler answers, or a
            data set is missing.
        RecordError: a record is damaged; it is left as it is.
        ChildProcessError: a worker of this machine was killed.
    """
    experiments.find(experiment)
    with _alone(experiment, root or places.records()):
        tasks = plan(experiment, specs, seeds, root, seed_seconds)
        rules = rules_served(experiment)
        _check(tasks, scheduler)
        count = 0
        for done in _finished(tasks, workers or num_cores(), scheduler, deadline, quiet):
            for seed in done.task.seeds:
                mine = [row for row in done.rows if row.seed == seed]
                origin = {**done.origin, "rules": rules}
                store.save(experiment, done.task.spec, seed, mine, origin, root)
                count += 1
    return count


def _check(tasks: Sequence[Task], scheduler: str | None) -> None:
    """Say what is missing before anything starts: once, and not from every worker."""
    if not tasks:
        return
    if scheduler is None:
        for task in tasks:
            data_sha256(task.spec)
        return
    try:
        address = urlsplit(scheduler)
        if not address.scheme or not address.hostname or not address.port:
            raise ValueError("that is not an address")
        socket.create_connection((address.hostname, address.port), timeout=10).close()
    except (OSError, ValueError) as error:
        raise _nobody_answers(scheduler, error) from None


def _finished(
    tasks: Sequence[Task],
    workers: int,
    scheduler: str | None,
    deadline: float | None,
    quiet: bool,
) -> Iterator[Done]:
    """The tasks' results in the order in which they finish, with a progress bar of seeds."""
    if not tasks:
        return
    total = sum(len(task.seeds) for task in tasks)
    with progress_bar(total, "seed", disable=quiet) as bar:
        on_time = partial(perform_in_time, deadline=deadline)
        where = (
            _on_cluster(tasks, on_time, scheduler) if scheduler else _here(tasks, on_time, workers)
        )
        for done in filter(None, where):
            bar.update(len(done.task.seeds))
            yield done


def _here(tasks: Sequence[Task], work: Work, workers: int) -> Iterator[Done | None]:
    from joblib import Parallel, delayed, parallel_config

    workers = min(workers, len(tasks))
    if workers == 1:
        yield from map(work, tasks)
        return
    with parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
        parallel = Parallel(return_as="generator_unordered")
        try:
            yield from parallel(delayed(_work_for)(os.getpid(), work, task) for task in tasks)
        except BrokenProcessPool:
            raise ChildProcessError(
                "a worker process was killed, perhaps for want of memory: start the sweep again, "
                "with fewer --workers"
            ) from None


def _work_for(sweep: int, work: Work, task: Task) -> Done | None:
    _end_with(sweep)
    return work(task)


@cache
def _end_with(sweep: int) -> None:
    """End this worker soon after its sweep was killed: it would compete with the next one."""

    def watch() -> None:
        while os.getppid() == sweep:
            time.sleep(1.0)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _on_cluster(tasks: Sequence[Task], work: Work, scheduler: str) -> Iterator[Done | None]:
    """Joblib's own Dask backend: Dask runs a task again elsewhere when its worker is lost."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "--scheduler needs Dask: `pip install 'dask[distributed]'` here and on the workers"
        ) from None
    from joblib import Parallel, delayed, parallel_config

    try:
        client = Client(scheduler, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise _nobody_answers(scheduler, error) from None
    with client, parallel_config(backend="dask", client=client):
        parallel = Parallel(return_as="generator_unordered")
        yield from parallel(delayed(work)(task) for task in tasks)


def _nobody_answers(scheduler: str, error: Exception) -> InputError:
    return InputError(
        f"--scheduler {scheduler}: no Dask scheduler answers there ({error}); start one with "
        "`dask scheduler` and give its address, tcp://HOST:PORT"
    )


@contextmanager
def _alone(experiment: str, root: Path) -> Iterator[None]:
    """Two sweeps into one folder would do the same work twice: the second is refused."""
    from filelock import FileLock, Timeout

    folder = root / experiment
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise InputError(
            f"another sweep is writing {folder}: wait for it, or let it finish and start again"
        ) from None
