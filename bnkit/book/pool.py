"""Many chapters at once, each in a process of its own that may die without harm to the others."""

import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from bnkit.book.execute import Job, Outcome, execute, stopped

_CLEANUP_SECONDS = 5


@dataclass
class _Worker:
    job: Job
    process: BaseProcess
    outcomes: Connection
    deadline: float


def run(jobs: Sequence[Job], num_workers: int) -> Iterator[tuple[Job, Outcome]]:
    """Execute `jobs` in the order given, `num_workers` at a time; yield each as it ends.

    Leaving the loop early, also by Ctrl-C, ends all that runs: workers, kernels, their children.
    """
    waiting = deque(jobs)
    running: list[_Worker] = []
    try:
        while waiting or running:
            while waiting and len(running) < num_workers:
                running.append(_start(waiting.popleft()))
            patience = min(worker.deadline for worker in running) - time.monotonic()
            ready = wait([worker.outcomes for worker in running], max(patience, 0.0))
            for worker in list(running):
                if worker.outcomes in ready or worker.deadline <= time.monotonic():
                    outcome = _outcome(worker, on_time=worker.outcomes in ready)
                    running.remove(worker)
                    yield worker.job, outcome
    finally:
        for worker in running:
            _end(worker)


def end_all_in(folder: Path) -> None:
    """Kill the processes of this user that run in `folder`, except this one, until none is left.

    That is how a kernel is found whose worker is dead: both run in the chapter's work folder. One
    that is killed takes a moment to end, and may have started another just before.
    """
    deadline = time.monotonic() + _CLEANUP_SECONDS
    while _kill_in(folder) and time.monotonic() < deadline:
        time.sleep(0.02)


def _kill_in(folder: Path) -> bool:
    """Whether there was one to kill."""
    import psutil

    found = False
    for process in psutil.process_iter():
        try:
            inside = Path(process.cwd()).is_relative_to(folder)
            if inside and process.pid != os.getpid():
                process.kill()
                found = True
        except (psutil.Error, OSError):  # ended meanwhile, or somebody else's
            continue
    return found


def _start(job: Job) -> _Worker:
    shutil.rmtree(job.work, ignore_errors=True)
    job.work.mkdir(parents=True)
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    if sys.platform != "win32":
        context.set_forkserver_preload(["papermill"])  # import it once, not once a chapter
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, theirs), name=job.name)
    process.start()
    theirs.close()  # so that the death of the worker is an end of file on our side
    return _Worker(job, process, ours, time.monotonic() + job.chapter_seconds)


def _outcome(worker: _Worker, *, on_time: bool) -> Outcome:
    limit = worker.job.chapter_seconds
    happened = "its process was killed" if on_time else f"took longer than the limit of {limit} s"
    try:
        outcome = worker.outcomes.recv() if on_time else None
    except EOFError:
        outcome = None
    if outcome is None:
        outcome = Outcome(stopped(worker.job, happened))
    _end(worker)
    return outcome


def _end(worker: _Worker) -> None:
    """Whatever happened, nothing of this worker runs afterwards."""
    worker.outcomes.close()
    worker.process.kill()
    end_all_in(worker.job.work)
    worker.process.join(_CLEANUP_SECONDS)
    shutil.rmtree(worker.job.work, ignore_errors=True)


def _work(job: Job, outcomes: Connection) -> None:
    """What a worker does; a separate session keeps the terminal's Ctrl-C from it."""
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the kernel inherits it
    _silence()
    threading.Thread(target=_end_with_parent, args=(job.work,), daemon=True).start()
    outcomes.send(execute(job))
    outcomes.close()


def _silence() -> None:
    """Kernels write to the terminal whatever they like; their cells' outputs are kept anyway."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _end_with_parent(work: Path) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        end_all_in(work)
        os._exit(1)
