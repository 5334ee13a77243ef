"""Execute one chapter with papermill, and believe only what its cells show."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from bnkit.book import files, kernel, notebook

_EXECUTED = "executed.ipynb"  # papermill's own output, written in place: worth nothing by itself
_RUNNING = "running"


@dataclass(frozen=True)
class Job:
    """One chapter to execute.

    Attributes:
        name: of the chapter, for messages.
        home: the book's folder.
        source: the notebook.
        target: where the executed one goes, if all went well.
        work: an empty folder of its own; the kernel runs here.
        parameters: what papermill injects; checked before.
        cell_seconds: limit of one cell.
        chapter_seconds: limit of the chapter.
    """

    name: str
    home: Path
    source: Path
    target: Path
    work: Path
    parameters: Mapping[str, object] = field(default_factory=dict)
    cell_seconds: int = 120
    chapter_seconds: int = 300


@dataclass(frozen=True)
class Outcome:
    """What became of a job; `error` is empty where the target was written.

    Attributes:
        error: one line: the code cell, its first line, what happened.
        seconds: from the start of the kernel to its end.
        cpu_seconds: of the kernel's processors, which a busy machine does not change much.
        peak_bytes: the largest memory of the kernel, None where the system does not tell.
        stderr: what the cells wrote to the error stream.
    """

    error: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int | None = None
    stderr: str = ""


def execute(job: Job) -> Outcome:
    """Run `job` in this process, which must be used for nothing else."""
    try:
        os.chdir(job.work)
        os.environ.update(kernel.environment(job.home, job.work))
        kernel.install(job.work)
        started = time.monotonic()
        happened = _papermill(job)
        seconds = time.monotonic() - started
        if happened:
            return Outcome(stopped(job, happened))
        executed = notebook.read(job.work / _EXECUTED)
        fault = notebook.fault(executed)
        if fault:
            number, what = fault
            cell = notebook.code_cells(executed)[number - 1]
            return Outcome(_line(number, _first_line(notebook.text(cell)), what))
        merged = notebook.merge(notebook.read(job.source), executed)
        files.replace(job.target, notebook.dump(merged))
        return Outcome("", seconds, *_used(), notebook.stderr(executed))
    except OSError as error:
        return Outcome(f"{error.strerror or error}: {error.filename or job.work}")
    except Exception as error:  # whatever it is, it must not pass for success or stop the others
        return Outcome(f"{type(error).__name__}: {' '.join(str(error).split())}")


def stopped(job: Job, happened: str) -> str:
    """One line that names the code cell in which `job` stopped, and what happened there."""
    try:
        number, _, first = (job.work / _RUNNING).read_text("utf-8").partition("\n")
    except OSError:  # before the first cell, or behind the last
        return happened
    return _line(int(number), first, happened)


def _line(number: int, first: str, happened: str) -> str:
    what = (happened.strip().splitlines() or ["?"])[0]
    return f"code cell {number} ({first!r}): {what}"


def _first_line(source: str) -> str:
    return (source.strip().splitlines() or [""])[0]


def _noting(running: Path) -> Callable[..., None]:
    """A hook that keeps number and first line of the code cell that runs in the file `running`."""
    numbers = count(1)

    def note(cell: Any, cell_index: int) -> None:
        if cell.cell_type == "code":
            running.write_text(f"{next(numbers)}\n{_first_line(cell.source)}", "utf-8")

    return note


def _papermill(job: Job) -> str:
    """Execute; what went wrong, or nothing.

    A kernel that fails before its first cell is started once more: kernels that start at the same
    moment can choose the same port.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    happened = ""
    for _ in range(2):
        try:
            papermill.execute_notebook(
                nbformat.read(job.source, as_version=4),
                _EXECUTED,  # relative: papermill would take braces in a folder for parameters
                parameters=dict(job.parameters),
                kernel_name=kernel.NAME,
                language="python",
                progress_bar=False,
                execution_timeout=job.cell_seconds,
                # It would write the whole notebook twice a cell: a quarter of a long run.
                request_save_on_cell_execute=False,
                on_cell_start=_noting(job.work / _RUNNING),
            )
        except PapermillExecutionError as error:
            return f"{error.ename}: {error.evalue}"
        except CellTimeoutError:
            return f"took longer than the limit of {job.cell_seconds} s for a cell"
        except DeadKernelError:
            return "the kernel died: it was killed, it crashed or memory ran out"
        except RuntimeError as error:
            happened = f"the kernel did not start: {str(error).splitlines()[0]}"
        else:
            (job.work / _RUNNING).unlink(missing_ok=True)
            return ""
    return happened


def _used() -> tuple[float, int | None]:
    """Processor seconds and largest resident memory of the kernel, the only child so far."""
    if sys.platform == "win32":
        return 0.0, None
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    scale = 1 if sys.platform == "darwin" else 1024
    return used.ru_utime + used.ru_stime, used.ru_maxrss * scale
