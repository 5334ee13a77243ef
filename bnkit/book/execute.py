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
        peak_bytes: the largest memory of the kernel, None where the system does not tell.
        stderr: what the cells wrote to the error stream.
    """

    error: str = ""
    seconds: float = 0.0
    peak_bytes: int | None = None
    stderr: str = ""


def execute(job: Job) -> Outcome:
    """Run `job` in this process, which must be used for nothing else."""
    os.chdir(job.work)
    os.environ.update(kernel.environment(job.home, job.work))
    kernel.install(job.work)
    try:
        started = time.monotonic()
        happened = _papermill(job)
        seconds = time.monotonic() - started
        if happened:
            return Outcome(happened, seconds)
        executed = notebook.read(job.work / _EXECUTED)
        fault = notebook.fault(_without_injected(executed, job))
        if fault:
            return Outcome(describe(job.source, *fault), seconds)
        merged = notebook.merge(notebook.read(job.source), executed)
        files.replace(job.target, notebook.dump(merged))
        return Outcome("", seconds, _peak_bytes(), notebook.stderr(executed))
    except OSError as error:
        return Outcome(f"{error.strerror or error}: {error.filename or job.target}")


def describe(source: Path, number: int | None, happened: str) -> str:
    """One line that names the code cell `number` of the notebook, its first line, the event."""
    cells = notebook.code_cells(notebook.read(source))
    what = (happened.strip().splitlines() or ["?"])[0]
    if number is None or not 1 <= number <= len(cells):
        return what
    first = notebook.text(cells[number - 1]).strip().splitlines()[0]
    return f"code cell {number} ({first!r}): {what}"


def interrupted(job: Job, happened: str) -> str:
    """The line for a job whose process is dead, from what papermill had saved until then."""
    try:
        partial = _without_injected(notebook.read(job.work / _EXECUTED), job)
        number = notebook.stopped_at(partial)
    except (OSError, ValueError):
        number = None
    return describe(job.source, number, happened)


def _papermill(job: Job) -> str:
    """Execute; the line that says what went wrong, or nothing.

    A kernel that dies before its first cell is started once more: kernels that start at the same
    moment can choose the same port.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    for attempt in (1, 2):
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
            partial = _without_injected(notebook.read(job.work / _EXECUTED), job)
            number, happened = notebook.fault(partial) or (None, f"{error.ename}: {error.evalue}")
            return describe(job.source, number, happened)
        except CellTimeoutError:
            return interrupted(job, f"took longer than the limit of {job.cell_seconds} s")
        except DeadKernelError:
            return interrupted(job, "the kernel died: it was killed, crashed or ran out of memory")
        except RuntimeError as error:
            if attempt == 2:
                return f"the kernel did not start: {str(error).splitlines()[0]}"
        else:
            return ""
    return ""


def _without_injected(executed: notebook.Notebook, job: Job) -> notebook.Notebook:
    """The notebook with the cells and counts of its source: without the cell of the parameters."""
    if not job.parameters:
        return executed
    cells = []
    shift = 0
    for cell in executed["cells"]:
        if "papermill-error-cell-tag" in notebook.tags(cell):
            continue
        if notebook.INJECTED in notebook.tags(cell):
            shift = 1
            continue
        count = cell.get("execution_count")
        cells.append({**cell, "execution_count": count - shift} if count else cell)
    return {**executed, "cells": cells}


def _peak_bytes() -> int | None:
    """The largest resident memory of the kernel, this process's only child so far."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
