"""The whole way from chapters to site; each step is skipped where nothing has changed."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bnkit.book import files, keys, notebook, pool, site, status, toc
from bnkit.book.execute import Job, Outcome
from bnkit.book.folders import Folders
from bnkit.book.manifest import Execution, Manifest
from bnkit.book.stage import stage
from bnkit.errors import InputError
from bnkit.progress import progress_bar

Say = Callable[[str], None]


def build(
    folders: Folders,
    *,
    parameters: dict[str, object] | None = None,
    num_workers: int | None = None,
    say: Say | None = None,
) -> int:
    """Execute what changed, stage, build, publish.

    Args:
        folders: what to build, and where.
        parameters: given to every chapter; by default each runs with its own.
        num_workers: chapters at a time; by default one for each core.
        say: takes a line for the person who waits; by default it is printed above the bar.

    Returns:
        0, or 1 where a chapter or the builder failed: then the old site stays as it was.
    """
    say = say or _above_the_bar
    with locked(folders):
        site.recover(folders)
        manifest = Manifest.read(folders.manifest)
        chapters = toc.chapters(folders.home)
        failed = _execute(folders, manifest, chapters, parameters or {}, num_workers, say)
        if failed:
            say(f"{len(failed)} of {len(chapters)} chapters failed: {', '.join(failed)}")
            say("nothing was published; the site is what it was before")
            return 1
        stage(folders, manifest)
        staged = files.digest(
            (files.tree_digest(folders.stage) + repr(keys.builder_versions())).encode()
        )
        if manifest.staged == staged and manifest.html == _html(folders):
            say(f"nothing changed: {folders.html / 'index.html'}")
            return 0
        say("building the pages")
        try:
            site.publish(folders, site.build(folders))
        except site.BuildError as error:
            say(f"{error}\nthe pages could not be built; the site is what it was before")
            return 1
        manifest.staged, manifest.html = staged, _html(folders)
        manifest.write(folders.manifest)
        say(f"built {folders.html / 'index.html'}")
        return 0


@contextmanager
def locked(folders: Folders) -> Iterator[None]:
    """Only one build at a time writes to a build folder. The lock of a dead one is no lock."""
    from filelock import FileLock, Timeout

    try:
        folders.build.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folders.lock, timeout=0)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"another build holds {folders.lock}: wait until it ends, or give another --build-dir"
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot write to {folders.build} ({error.strerror}): give another --build-dir"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _execute(
    folders: Folders,
    manifest: Manifest,
    chapters: dict[str, Path],
    given: dict[str, object],
    num_workers: int | None,
    say: Say,
) -> list[str]:
    """Run the chapters whose key is new, the longest first; the names of those that failed."""
    pool.end_all_in(folders.work)  # what a killed build has left behind
    shutil.rmtree(folders.work, ignore_errors=True)
    around = keys.surroundings(folders.home)
    jobs = {
        name: Job(
            name,
            folders.home,
            path,
            folders.executed(name),
            folders.work / str(number),
            _known(path, given),
        )
        for number, (name, path) in enumerate(chapters.items())
    }
    wanted = {
        name: keys.chapter(notebook.read(job.source), job.parameters, around)
        for name, job in jobs.items()
    }
    stale = [name for name in chapters if not _done(folders, manifest, name, wanted[name])]
    if not stale:
        return []
    unknown = float("inf")  # a new chapter may be the longest
    before = {name: ran.seconds for name, ran in manifest.chapters.items()}
    stale.sort(key=lambda name: -before.get(name, unknown))
    num_workers = min(num_workers or os.cpu_count() or 1, len(stale))
    say(f"executing {len(stale)} of {len(chapters)} chapters, {num_workers} at a time")
    failed = []
    with (
        closing(pool.run([jobs[name] for name in stale], num_workers)) as results,
        progress_bar(len(stale), "chapter") as bar,
    ):
        for job, outcome in results:
            if outcome.error:
                failed.append(job.name)
            else:
                manifest.chapters[job.name] = _entry(job, outcome, wanted[job.name])
                manifest.write(folders.manifest)
            say(_report(job, outcome))
            bar.update()
    shutil.rmtree(folders.work, ignore_errors=True)
    return failed


def _above_the_bar(line: str) -> None:
    from tqdm import tqdm

    tqdm.write(line)


def _known(path: Path, given: dict[str, object]) -> dict[str, object]:
    """Those of the given parameters that this chapter has."""
    known = notebook.parameters(notebook.read(path))
    return {name: value for name, value in given.items() if name in known}


def _done(folders: Folders, manifest: Manifest, name: str, key: str) -> bool:
    """Whether the executed chapter is there, whole, and made from what there is now."""
    entry, path = manifest.chapters.get(name), folders.executed(name)
    if entry is None or entry.key != key or not path.is_file():
        return False
    return files.digest(path.read_bytes()) == entry.sha256


def _entry(job: Job, outcome: Outcome, key: str) -> Execution:
    return Execution(
        key=key,
        sha256=files.digest(job.target.read_bytes()),
        seconds=round(outcome.seconds, 2),
        cpu_seconds=round(outcome.cpu_seconds, 2),
        peak_bytes=outcome.peak_bytes,
        parameters={**notebook.parameters(notebook.read(job.source)), **job.parameters},
        machine=status.machine(),
        versions=keys.versions(),
    )


def _report(job: Job, outcome: Outcome) -> str:
    if outcome.error:
        return f"FAILED {job.name}: {outcome.error}"
    warned = outcome.stderr.strip().splitlines()
    note = f" (not published: {warned[0]})" if warned else ""
    return f"{job.name}: {outcome.seconds:.1f} s{note}"


def _html(folders: Folders) -> str:
    return files.tree_digest(folders.html) if folders.html.is_dir() else ""
