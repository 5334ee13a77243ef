"""`make gpu`: everything that needs a GPU and is not recorded yet, within a budget of seconds.

A list of jobs, each of them a command in a process of its own: whatever one does to the device or
dies of, the next begins afresh. Every seed and every case is stored as it is finished; new records
are packed into one archive after each job, which is all that has to come back from a machine that
is lent for minutes. How each job ended is kept beside the records: what failed is tried last then.
"""

import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from bnkit import experiments, places, store, sweep
from bnkit.bench.gpu import AGAIN
from bnkit.errors import InputError

SEEDS = range(10)
DATA_SET = "cifar10-jpeg75"
# Experiment and arms, in the order in which they are worth having. A tuned arm is alone: another
# one's tuning may fail.
SWEEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("full_scale", ("none@0.1", "batch@0.1")),
    ("full_scale", ("none",)),
    ("full_scale", ("batch",)),
    ("full_scale", ("noisy-0.5",)),
    ("landscape", ("none-vgg@0.1", "batch-vgg@0.1")),
    ("full_scale", ("none-resnet",)),
    ("full_scale", ("batch-resnet",)),
    ("full_scale", ("group",)),
    ("full_scale", ("batch-of-512",)),
    ("full_scale", ("group-of-512",)),
    ("full_scale", ("batch-of-32",)),
    ("full_scale", ("group-of-32",)),
    ("landscape", ("none-vgg",)),
    ("landscape", ("batch-vgg",)),
    ("full_scale", ("batch-of-8",)),
    ("full_scale", ("group-of-8",)),
    ("full_scale_mlp", ("none@0.1", "batch@0.1")),
    ("full_scale_mlp", ("none",)),
    ("full_scale_mlp", ("batch",)),
)
SEED_SECONDS = {
    "full_scale": 60,
    "landscape": 200,
    "full_scale_mlp": 10,
}  # of an arm's first seed, rather too long
_BENCH_SHARE = 0.5  # of the budget, at most
_GRACE = 30.0  # seconds after the budget until what still runs is stopped
_STOPPED, _MOST_BEGINNINGS = 124, 5


class Job(NamedTuple):
    """A command in a process of its own.

    Attributes:
        name: for the log.
        command: its words; "{seconds}" stands for the budget that it has.
        share: of the session's budget, at most.
    """

    name: str
    command: Sequence[str]
    share: float = 1.0


def run(
    *, seconds: float, archive: Path, workers: int = 1, jobs: Sequence[Job] | None = None
) -> int:
    """Do what is missing, and pack what is new.

    Args:
        seconds: the budget, in wall time. Nothing is begun that would not be done by its end, and
            what is not done half a minute later is stopped.
        archive: where the new records go, for example records.tgz; InputError if it ends otherwise.
        workers: processes that share the GPU in a sweep.
        jobs: in place of the bench and the sweeps of `SWEEPS`.

    Returns:
        0, or 1 if any job failed or was stopped.
    """
    if archive.suffix not in (".tgz", ".gz") or not archive.parent.is_dir():
        raise InputError(f"--archive {archive}: name a .tgz file in a folder that exists")
    jobs = _bench_and_sweeps(workers) if jobs is None else jobs
    started = time.time()
    deadline = started + seconds
    failures: dict[str, str] = {}
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: it packs too
    try:
        for job in jobs:
            now = time.time()
            if now >= deadline:
                print("the budget is spent: call again", flush=True)
                break
            print(f"--- {job.name}", flush=True)
            ends = min(deadline, now + job.share * seconds)
            code, why = _done(job, ends, stop=min(deadline, ends + _GRACE) + _GRACE)
            _log(job, time.time() - now, code, why)
            _pack(archive, started)
            if code:
                failures[job.name] = why
                print(f"--- {job.name} FAILED: {why}", flush=True)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # not in the middle of packing
        print(f"{_pack(archive, started)} new files of records in {archive}", flush=True)
        signal.signal(signal.SIGTERM, before)
    for name, why in failures.items():
        print(f"failed: {name}: {why}", flush=True)
    return int(bool(failures))


def _bench_and_sweeps(workers: int) -> list[Job]:
    """What is not recorded yet; those sweeps last that failed when they were tried last."""
    import torch

    if not torch.cuda.is_available():
        raise InputError("no CUDA device: `bench session` does what needs one")
    bnkit = (sys.executable, "-m", "bnkit")
    bench = Job("bench", (*bnkit, "bench", "gpu", "--seconds", "{seconds}"))
    sweeps = [
        Job(
            f"{experiment} {', '.join(arms)}",
            (
                *bnkit, "sweep", experiment, "--arms", ",".join(arms), "--tune",
                "--seeds", f"{SEEDS[0]}-{SEEDS[-1]}", "--workers", str(workers),
                "--seconds", "{seconds}", "--seed-seconds", str(SEED_SECONDS[experiment]),
            ),
        )
        for experiment, arms in SWEEPS
        if not all(_is_recorded(experiment, arm) for arm in arms)
    ]  # fmt: skip
    if not sweeps:
        return [bench]
    if not _has_data():  # no sweep can run: the command says why, and the bench has all the time
        return [Job(DATA_SET, (*bnkit, "data", DATA_SET, "--offline")), bench]
    failed = _failed_last()
    return [
        bench._replace(share=_BENCH_SHARE),
        *sorted(sweeps, key=lambda job: job.name in failed),
    ]


def _is_recorded(experiment: str, arm: str) -> bool:
    spec = experiments.find(experiment).ARMS[arm]
    try:
        recorded = store.recorded_seeds(experiment, sweep.resolve(experiment, spec))
    except InputError:  # its rate is not tuned yet
        return False
    return set(SEEDS) <= set(recorded)


def _has_data() -> bool:
    from bnkit.data import load

    try:
        load(DATA_SET, download=False)
    except InputError:
        return False
    return True


def _done(job: Job, ends: float, stop: float) -> tuple[int, str]:
    """Exit code of a job, and in a line why it is not 0.

    Begun again while it asks for that or dies of a signal: what is left of it may go well.
    """
    for _ in range(_MOST_BEGINNINGS):
        code, why = _process(job, ends, stop)
        if not (code == AGAIN or code < 0) or time.time() >= ends:
            break
    return code, why


def _process(job: Job, ends: float, stop: float) -> tuple[int, str]:
    budget = max(1.0, ends - time.time())
    command = [word.replace("{seconds}", f"{budget:.0f}") for word in job.command]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stderr=errors, process_group=0)
        try:
            code = process.wait(max(0.0, stop - time.time()))
        except subprocess.TimeoutExpired:
            return _STOPPED, "it did not end with its budget, and was stopped"
        finally:
            _end(process)
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    if not code:
        return 0, ""
    lines = [line for line in text.splitlines() if line.strip()] or [f"exit code {code}"]
    print("\n".join(lines[-20:]), flush=True)
    return code, lines[-1].strip()[:300]


def _end(process: subprocess.Popen[bytes]) -> None:
    """A job that still runs, and what it has started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(5.0)


def _log_file() -> Path:
    return places.records() / "gpu" / "sessions.jsonl"


def _log(job: Job, seconds: float, code: int, why: str) -> None:
    """Add a line on how a job ended."""
    entry = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "job": job.name,
        "seconds": round(seconds, 1),
        "code": code,
        "why": why,
    }
    _log_file().parent.mkdir(parents=True, exist_ok=True)
    with _log_file().open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def _failed_last() -> set[str]:
    """Names of the jobs whose last end was a failure."""
    codes: dict[str, int] = {}
    with suppress(FileNotFoundError):
        for line in _log_file().read_text("utf-8").splitlines():
            with suppress(ValueError, KeyError):  # a line that was cut
                entry = json.loads(line)
                codes[entry["job"]] = entry["code"]
    return {name for name, code in codes.items() if code}


def _pack(archive: Path, since: float) -> int:
    """Put what was written since then into the archive, named as in the folder of records."""
    root = places.records()
    new = [p for p in sorted(root.rglob("*")) if p.is_file() and p.stat().st_mtime >= since - 1.0]
    new = [p for p in new if p.suffix in (".csv", ".json", ".jsonl")]
    part = archive.with_name(archive.name + ".part")
    with tarfile.open(part, "w:gz") as packed:
        for path in new:
            packed.add(path, path.relative_to(root))
    part.replace(archive)
    return len(new)
