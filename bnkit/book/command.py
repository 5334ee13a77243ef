"""`python -m bnkit book`: execute the chapters and build the site, or run one chapter alone."""

import argparse
import errno
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from bnkit.book.parameters import PROFILES, parse, unknown
from bnkit.errors import InputError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `book` and `book run` to the command line."""
    book = subparsers.add_parser("book", help="execute the chapters and build the site")
    book.description = __doc__
    book.add_argument(
        "--workers", type=int, metavar="N", help="chapters at a time; by default one for each core"
    )
    book.add_argument(
        "--profile", choices=PROFILES, help="run every chapter at this profile, not at its own"
    )
    book.add_argument(
        "--build-dir", type=Path, metavar="DIR", help="where to build; by default _build"
    )
    book.set_defaults(handler=_book)
    actions = book.add_subparsers(metavar="run")
    run = actions.add_parser("run", help="execute one chapter with parameters of your own")
    run.add_argument("chapter", help="its name, for example what-it-is/forward")
    run.add_argument(
        "-p", nargs=2, action="append", default=[], dest="given", metavar=("NAME", "VALUE"),
        help="a parameter of the chapter, for example -p seed 3; may be repeated",
    )  # fmt: skip
    run.add_argument(
        "-o", type=Path, dest="output", metavar="OUT.ipynb",
        help="the executed notebook; by default in _build/runs",
    )  # fmt: skip
    run.set_defaults(handler=_run)


def _book(arguments: argparse.Namespace) -> int:
    from bnkit.book.build import build
    from bnkit.book.folders import Folders

    if arguments.workers is not None and arguments.workers < 1:
        raise InputError(f"--workers {arguments.workers}: give a whole number from 1 up")
    parameters = {"profile": arguments.profile} if arguments.profile else None
    folders = Folders.standard(arguments.build_dir)
    signal.signal(signal.SIGTERM, _terminated)  # a CI job that is cancelled
    try:
        return build(folders, parameters=parameters, num_workers=arguments.workers)
    except OSError as error:
        return _cannot_write(error, folders.build)


def _run(arguments: argparse.Namespace) -> int:
    from bnkit.book import notebook, pool, toc
    from bnkit.book.execute import Job
    from bnkit.book.folders import Folders

    folders = Folders.standard(arguments.build_dir)
    name, source = toc.find(folders.home, arguments.chapter)
    known = notebook.parameters(notebook.read(source))
    parameters = {}
    for key, text in arguments.given:
        if key not in known:
            raise unknown(key, text, known)
        parameters[key] = parse(key, text)
    target = _target(arguments.output, folders.build / "runs" / f"{name}.ipynb")
    signal.signal(signal.SIGTERM, _terminated)
    work = Path(tempfile.mkdtemp(prefix="bnkit-"))
    try:
        job = Job(name, folders.home, source, target, work / "kernel", parameters)
        for _, outcome in pool.run([job], 1):
            if outcome.error:
                print(f"FAILED {name}: {outcome.error}", file=sys.stderr)
                return 1
            print(f"{name}: {outcome.seconds:.1f} s, {target}")
        return 0
    except OSError as error:
        return _cannot_write(error, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _target(output: Path | None, default: Path) -> Path:
    if output is None:
        return default
    if output.suffix != ".ipynb" or output.is_dir() or not output.absolute().parent.is_dir():
        raise InputError(f"-o {output}: give a file that ends in .ipynb, in a folder that exists")
    return output.absolute()


def _cannot_write(error: OSError, place: Path) -> int:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        raise error
    where = error.filename or place
    line = f"error: {os.strerror(error.errno)}: {where}; what was there before is as it was"
    print(line, file=sys.stderr)
    return 1


def _terminated(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
