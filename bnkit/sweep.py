"""Arms times seeds: what is not yet recorded is run on all cores, and stored as it finishes.

A sweep that was killed goes on where it stopped when it is started again. Each process has one
thread; the seeds of a task are trained in one stack.
"""

import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bnkit import claims, experiments, places, store
from bnkit.errors import InputError
from bnkit.judging import rule_sha256
from bnkit.rows import Row

TUNING_SEEDS = (1000, 1001, 1002)
_WATCHED = ("bnkit", "torch", "numpy", "scipy", "scikit-learn")
# Learning rates are chosen on this grid: a factor of about √10 apart.
_GRID = tuple(float(f"{m}e{e}") for e in range(-7, 4) for m in (1, 3))


class Task(NamedTuple):
    """Some seeds of one arm, to be run in one process."""

    experiment: str
    spec: Any
    seeds: tuple[int, ...]


class Done(NamedTuple):
    """What came of a task."""

    task: Task
    rows: list[Row]
    origin: dict[str, Any]


def run(
    experiment: str,
    specs: Iterable[Any],
    seeds: Sequence[int],
    *,
    workers: int | None = None,
    root: Path | None = None,
    quiet: bool = False,
) -> int:
    """Run and store what is absent.

    Args:
        experiment: a name of `experiments.names()`.
        specs: the arms.
        seeds: for each arm.
        workers: processes; one a core if absent.
        root: the records' folder.
        quiet: no progress bar.

    Returns:
        How many seeds were run.
    """
    tasks = plan(experiment, specs, seeds, root)
    total = sum(len(task.seeds) for task in tasks)
    rules = rules_served(experiment)
    for done in _finished(tasks, workers or len(os.sched_getaffinity(0)), quiet):
        for seed in done.task.seeds:
            mine = [row for row in done.rows if row.seed == seed]
            origin = {**done.origin, "rules": rules}
            store.save(experiment, done.task.spec, seed, mine, origin, root)
    return total


def rules_served(experiment: str) -> dict[str, str]:
    """Claim id -> SHA-256 of its rule as it stands, for the claims that an experiment decides."""
    register = claims.load()
    served = [c for c in register.claims if c.experiment == experiment and c.rule is not None]
    return {claim.id: rule_sha256(claim.rule) for claim in served}


def plan(
    experiment: str, specs: Iterable[Any], seeds: Sequence[int], root: Path | None = None
) -> list[Task]:
    """The tasks that are still to do, in stacks of the size that the experiment asks for."""
    stack = getattr(experiments.find(experiment), "STACK", 1)
    tasks = []
    for spec in specs:
        there = set(store.recorded_seeds(experiment, spec, root))
        absent = [seed for seed in seeds if seed not in there]
        tasks += [
            Task(experiment, spec, tuple(absent[start : start + stack]))
            for start in range(0, len(absent), stack)
        ]
    return tasks


def perform(task: Task, progress: str | None = None) -> Done:
    """Run one task here, with one thread."""
    import torch

    torch.set_num_threads(1)
    started = time.perf_counter()
    rows = experiments.find(task.experiment).run(task.spec, task.seeds, progress)
    seconds = (time.perf_counter() - started) / len(task.seeds)
    return Done(task, rows, origin(task, seconds))


def origin(task: Task, seconds: float) -> dict[str, Any]:
    """Where a record comes from: enough to run it again, and to know when it must be equal."""
    import torch

    device = getattr(task.spec, "device", "cpu")
    return {
        **_commit(),
        "python": platform.python_version(),
        "versions": {name: v for name in _WATCHED if (v := _version(name))},
        "device": device,
        "cpu": _cpu_model(),
        "threads": torch.get_num_threads(),
        "data_sha256": _data_sha256(task.spec),
        "stacked_seeds": len(task.seeds),
        "seconds": round(seconds, 2),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def tuned(experiment: str, spec: Any, root: Path | None = None) -> Any:
    """`spec` at the rate of the best mean final validation accuracy over the tuning seeds.

    Raises:
        InputError: the grid is not recorded, or its best rate lies at an edge of what is.
    """
    scores = tuning_scores(experiment, spec, root)
    best = _best(scores)
    if best in (min(scores), max(scores)):
        raise InputError(
            f"{experiment}: the best rate {best:g} is at the edge of the recorded grid; run "
            f"`python -m bnkit sweep {experiment} --tune`, which extends it"
        )
    return replace(spec, rate=best)


def tuning_scores(experiment: str, spec: Any, root: Path | None = None) -> dict[float, float]:
    """Rate -> mean final validation accuracy over the tuning seeds, ascending, where recorded.

    Raises:
        InputError: no rate of the grid is recorded.
    """
    scores = {}
    for rate in _GRID:
        candidate = replace(spec, rate=rate)
        if set(TUNING_SEEDS) <= set(store.recorded_seeds(experiment, candidate, root)):
            scores[rate] = _final_accuracy(store.load(experiment, candidate, TUNING_SEEDS, root))
    if not scores:
        raise InputError(
            f"{experiment}: no rate is tuned; run `python -m bnkit sweep {experiment} --tune`"
        )
    return scores


def tune(
    experiment: str,
    spec: Any,
    *,
    workers: int | None = None,
    root: Path | None = None,
    quiet: bool = False,
) -> Any:
    """Run the experiment's grid of rates, extended while its best is at an edge.

    Returns:
        The tuned spec, as `tuned` does.
    """
    low, high = (_GRID.index(rate) for rate in _ends(experiments.find(experiment).RATES))
    while True:
        specs = [replace(spec, rate=rate) for rate in _GRID[low : high + 1]]
        run(experiment, specs, TUNING_SEEDS, workers=workers, root=root, quiet=quiet)
        best = _GRID.index(_best(tuning_scores(experiment, spec, root)))
        if low < best < high or best in (0, len(_GRID) - 1):
            return tuned(experiment, spec, root)
        low, high = min(low, best - 1), max(high, best + 1)


def _best(scores: Mapping[float, float]) -> float:
    return max(scores, key=lambda rate: scores[rate])


def _ends(rates: Sequence[float]) -> tuple[float, float]:
    return min(rates), max(rates)


def _final_accuracy(rows: Sequence[Row]) -> float:
    curve = [row for row in rows if row.name == "validation_accuracy"]
    last = max(row.step for row in curve)
    return float(np.mean([row.value for row in curve if row.step == last]))


def _finished(tasks: Sequence[Task], workers: int, quiet: bool) -> Iterator[Done]:
    """The tasks' results in the order in which they finish, with a progress bar of seeds."""
    from joblib import Parallel, delayed, parallel_config
    from tqdm import tqdm

    total = sum(len(task.seeds) for task in tasks)
    bar = tqdm(total=total, unit="seed", disable=quiet or not tasks, file=sys.stderr)
    with bar, parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = Parallel(
            n_jobs=min(workers, max(1, len(tasks))), return_as="generator_unordered"
        )
        for done in parallel(delayed(perform)(task) for task in tasks):
            bar.update(len(done.task.seeds))
            yield done


def _commit() -> dict[str, Any]:
    """The commit and whether the tree was clean; from the environment where there is no git."""
    if commit := os.environ.get("BNKIT_COMMIT"):
        return {"commit": commit, "clean": os.environ.get("BNKIT_CLEAN") == "1"}
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return {"commit": "unknown", "clean": False}
    # Records that are being written do not make the code that writes them unclean.
    changed = _git("status", "--porcelain", "--", ".", ":(exclude)data/records")
    return {"commit": commit, "clean": changed == ""}


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(places.home()), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    keys = ("model name", "cpu family", "model", "stepping")
    found = {}
    for line in lines:
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return ", ".join(f"{key} {found[key]}" for key in keys if key in found)


def _data_sha256(spec: Any) -> str:
    from bnkit.data import load

    return load(spec.data_set).sha256 if hasattr(spec, "data_set") else ""
