"""A task: some seeds of one arm, run in one process with one thread."""

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bnkit import experiments, store
from bnkit.rows import Row
from bnkit.sweep.origin import origin


class Task(NamedTuple):
    """Some seeds of one arm.

    Attributes:
        experiment: whose `run` it is.
        spec: the arm.
        seeds: run together.
        expected_seconds: how long they will take, going by seeds that are recorded.
    """

    experiment: str
    spec: Any
    seeds: tuple[int, ...]
    expected_seconds: float = 0.0


class Done(NamedTuple):
    """What came of a task: the rows of all of its seeds, and where they come from."""

    task: Task
    rows: list[Row]
    origin: dict[str, Any]


def plan(
    experiment: str,
    specs: Iterable[Any],
    seeds: Sequence[int],
    root: Path | None = None,
    seed_seconds: float = 0.0,
) -> list[Task]:
    """The tasks that are still to do, in stacks of the size that the experiment asks for.

    Args:
        experiment: a name of `experiments.names()`.
        specs: the arms.
        seeds: for each arm.
        root: the records' folder.
        seed_seconds: how long a seed is expected to take in an arm of which none is recorded.
    """
    stack = getattr(experiments.find(experiment), "STACK", 1)
    tasks = []
    for spec in dict.fromkeys(specs):  # two arms may be one spec
        there = set(store.intact_seeds(experiment, spec, root))
        absent = [seed for seed in dict.fromkeys(seeds) if seed not in there]
        origins = store.provenance(experiment, spec, root).values()
        each = max((origin.get("seconds", 0.0) for origin in origins), default=seed_seconds)
        for start in range(0, len(absent), stack):
            together = tuple(absent[start : start + stack])
            tasks.append(Task(experiment, spec, together, each * len(together)))
    return tasks


def perform(task: Task, progress: str | None = None) -> Done:
    """Run one task in this process, with one thread."""
    import torch

    torch.set_num_threads(1)
    started = time.perf_counter()
    rows = experiments.find(task.experiment).run(task.spec, task.seeds, progress)
    seconds = (time.perf_counter() - started) / len(task.seeds)
    return Done(task, rows, origin(task.spec, len(task.seeds), seconds))


_longest: dict[tuple[str, str], float] = {}  # seconds of a task of each arm in this process


def perform_in_time(task: Task, deadline: float | None) -> Done | None:
    """The task done, or None if it would not be done by the deadline, in seconds of the epoch."""
    if deadline is None:
        return perform(task)
    arm = task.experiment, store.spec_key(task.spec)
    started = time.time()
    if started + _longest.get(arm, task.expected_seconds) > deadline:
        return None
    done = perform(task)
    _longest[arm] = max(_longest.get(arm, 0.0), time.time() - started)
    return done


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
