"""`make gpu`: everything that needs a GPU and is not recorded yet, within a budget of seconds.

The bench of the layer comes first, then the sweeps in the order of `SWEEPS`. Whatever is finished
is stored at once; at the end the new records are packed into one archive, which is all that has to
come back from a machine that is lent for minutes.
"""

import tarfile
import time
from collections.abc import Callable
from pathlib import Path

from bnkit import experiments, places
from bnkit.bench import gpu
from bnkit.errors import InputError
from bnkit.sweep import OutOfTime
from bnkit.sweep.command import record

SEEDS = range(10)
# Experiment and arms, in the order in which they are worth having.
SWEEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("full_scale", ("none@0.1", "batch@0.1")),
    ("full_scale", ("none", "batch")),
    ("full_scale", ("noisy-0.5",)),
    ("landscape", ("none-vgg@0.1", "batch-vgg@0.1")),
    ("full_scale", ("none-resnet", "batch-resnet")),
    ("full_scale", ("group", "batch-of-512", "group-of-512", "batch-of-32", "group-of-32")),
    ("landscape", ("none-vgg", "batch-vgg")),
    ("full_scale", ("batch-of-8", "group-of-8")),
)
_SHARE_OF_BENCH = 0.5  # of the budget, at most


def run(
    *,
    seconds: float,
    archive: Path,
    workers: int = 1,
    bench: Callable[[float], int] | None = None,
    sweeps: tuple[tuple[str, tuple[str, ...]], ...] = SWEEPS,
) -> int:
    """Do what is missing, and pack what is new.

    Args:
        seconds: the budget, in wall time; nothing is begun that would not be done by its end.
        archive: where the new records go, for example records.tgz; InputError if it ends otherwise.
        workers: processes that share the GPU in a sweep.
        bench: seconds -> exit code, in place of `bench gpu`.
        sweeps: in place of `SWEEPS`.

    Returns:
        The exit code of the bench.
    """
    if archive.suffix not in (".tgz", ".gz") or not archive.parent.is_dir():
        raise InputError(f"--archive {archive}: name a .tgz file in a folder that exists")
    started = time.time()
    deadline = started + seconds
    code = (bench or _bench)(_SHARE_OF_BENCH * seconds)
    for experiment, arms in sweeps:
        there = experiments.find(experiment).ARMS
        try:
            count = record(
                experiment,
                {arm: there[arm] for arm in arms},
                SEEDS,
                tune=True,
                workers=workers,
                deadline=deadline,
            )
            print(f"{experiment} {', '.join(arms)}: {count} seeds run", flush=True)
        except OutOfTime as error:
            print(error, flush=True)
    print(f"{_pack(archive, started)} new files of records in {archive}")
    return code


def _bench(seconds: float) -> int:
    return gpu.run(seconds=seconds, out=None, tiny=False)


def _pack(archive: Path, since: float) -> int:
    """Put what was written since then into the archive, named as in the folder of records."""
    root = places.records()
    new = [p for p in sorted(root.rglob("*")) if p.is_file() and p.stat().st_mtime >= since - 1.0]
    new = [p for p in new if p.suffix in (".csv", ".json") and p.resolve() != archive.resolve()]
    with tarfile.open(archive, "w:gz") as packed:
        for path in new:
            packed.add(path, path.relative_to(root))
    return len(new)
