"""A file is either the old one or the new one, never half of it; and what is in a folder?"""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step: beside it, flushed to the disk, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def digest(content: bytes) -> str:
    """The SHA-256 of `content`, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def tree_digest(root: Path, files: Iterable[Path] | None = None) -> str:
    """One SHA-256 of the names and contents of `files` below `root`; by default all of them."""
    chosen = root.rglob("*") if files is None else files
    total = hashlib.sha256()
    for path in sorted(path for path in chosen if path.is_file()):
        name = path.relative_to(root).as_posix()
        total.update(f"{name}\0{digest(path.read_bytes())}\n".encode())
    return total.hexdigest()
