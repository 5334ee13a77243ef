"""Execute one chapter with papermill, and believe only what its cells show."""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bnkit.book import files, kernel, notebook

_EXECUTED = "executed.ipynb"  # papermill's own output, written in place: worth nothing by itself


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
            return Outcome(_line(executed, *fault))
        merged = notebook.merge(notebook.read(job.source), executed)
        files.replace(job.target, notebook.dump(merged))
        return Outcome("", seconds, *_used(), notebook.stderr(executed))
    except OSError as error:
        return Outcome(f"{error.strerror or error}: {error.filename or job.work}")
    except Exception as error:  # whatever it is, it must not pass for success or stop the others
        return Outcome(f"{type(error).__name__}: {' '.join(str(error).split())}")


def stopped(job: Job, happened: str) -> str:
    """One line that names the cell in which `job` stopped, by what papermill had saved so far.

    `happened` is what is known of the reason; an error in a cell says it better.
    """
    try:
        partial = notebook.read(job.work / _EXECUTED)
    except (OSError, ValueError):  # not written yet, or cut by a full disk
        return happened
    number = notebook.stopped_at(partial)
    fault = notebook.fault(partial)
    if fault and (number is None or fault[0] < number):
        return _line(partial, *fault)
    return happened if number is None else _line(partial, number, happened)


def _line(executed: notebook.Notebook, number: int, happened: str) -> str:
    cell = notebook.code_cells(executed)[number - 1]
    first = notebook.text(cell).strip().splitlines()[0]
    what = (happened.strip().splitlines() or ["?"])[0]
    return f"code cell {number} ({first!r}): {what}"


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
