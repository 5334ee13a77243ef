"""Is this file what its authors published, and if not, what does it look like instead?"""

import hashlib
from pathlib import Path

from bnkit.data.registry import File
from bnkit.errors import DataError


def describe(path: Path, file: File) -> str | None:
    """None if `path` holds the bytes of `file`, else what is wrong with it, in a few words."""
    with path.open("rb") as stream:
        start = stream.read(512)
        stream.seek(0)
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found == file.sha256:
        return None
    if start.lstrip()[:1] == b"<":
        return "it is an HTML page, not the file"
    size = path.stat().st_size
    if size != file.num_bytes:
        return f"it has {size:,} bytes instead of {file.num_bytes:,}"
    return f"it has SHA-256 {found} instead of {file.sha256}"


def damaged(path: Path, file: File, what: str) -> DataError:
    """The error for a file that is in its place but not what it should be.

    It is never replaced in silence: somebody may have put it there by hand.
    """
    again = "delete it and run again, or " if file.urls else ""
    return DataError(f"{path} is damaged: {what}; {again}{file.by_hand(path.parent)}")


def check(path: Path, file: File) -> None:
    """Raise DataError unless `path` holds the bytes of `file`."""
    what = describe(path, file)
    if what:
        raise damaged(path, file, what)
