"""From the staged book to the published site: build it elsewhere, then exchange the folders."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bnkit.book import kernel, pool
from bnkit.book.folders import Folders

_LIMIT_SECONDS = 600
_TROUBLE = re.compile(r"WARNING|ERROR|Error|Exception|CRITICAL")
_SHOWN_LINES = 20


class BuildError(RuntimeError):
    """The builder refused the staged book; the message holds its complaints."""


def build(folders: Folders) -> Path:
    """Build `folders.stage` strictly; the folder with the new site, not yet published.

    Every page is built again (`--all`): a warm build after a failed one would pass. References
    that lead nowhere are warnings (`-n`), and warnings fail the build (`-W`).
    """
    place = folders.build / "site"
    pool.end_all_in(place)  # the builder of a build that was killed a moment ago
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    log = folders.build / "site.log"
    command = [
        sys.executable, "-m", "bnkit.book.builder", "build", str(folders.stage),
        "--path-output", str(place), "-W", "-n", "--keep-going", "--all",
    ]  # fmt: skip
    surroundings = {**os.environ, **kernel.environment(folders.home, place), "LC_ALL": "C.UTF-8"}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # its end tells the builder that this process is gone
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=place,
            env=surroundings,
        ) as builder,
    ):
        try:
            code = builder.wait(_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            builder.kill()
            raise BuildError(f"the builder took longer than {_LIMIT_SECONDS} s") from None
        except BaseException:
            builder.kill()
            raise
    site = place / "_build" / "html"
    if code or not (site / "index.html").is_file():
        said = _complaints(log.read_text("utf-8", errors="replace"))
        raise BuildError(f"{said or 'the builder said nothing: is the disk full?'}\nsee {log}")
    (site / ".buildinfo").unlink(missing_ok=True)  # a hash of the configuration, of no use here
    (site / ".nojekyll").touch()  # GitHub Pages would drop folders that start with "_"
    return site


def publish(folders: Folders, site: Path) -> None:
    """Put `site` in the place of the published one, and that one back if this fails."""
    old = folders.build / "html.old"
    shutil.rmtree(old, ignore_errors=True)
    if folders.html.exists():
        folders.html.rename(old)
    try:
        site.rename(folders.html)
    except BaseException:
        recover(folders)
        raise
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(folders.build / "site", ignore_errors=True)


def recover(folders: Folders) -> None:
    """Undo an exchange that was killed between its two renames."""
    old = folders.build / "html.old"
    if old.exists() and not folders.html.exists():
        old.rename(folders.html)


def _complaints(log: str) -> str:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", log)
    lines = [line for line in plain.splitlines() if _TROUBLE.search(line)]
    return "\n".join(list(dict.fromkeys(lines))[:_SHOWN_LINES]) or plain[-2000:]
