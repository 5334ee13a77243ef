"""What was executed and built so far, and from what? A chapter that is not in here is not done."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bnkit.book import files

_VERSION = 1


@dataclass(frozen=True)
class Execution:
    """One executed chapter.

    Attributes:
        key: of everything that its outputs depend on (`keys.chapter`).
        sha256: of the executed notebook's file.
        seconds: wall time, from the start of the kernel to its end.
        cpu_seconds: of the kernel's processors.
        peak_bytes: the largest memory of the kernel, None where the system does not tell.
        parameters: the values that it ran with.
        machine: what it ran on.
        versions: of Python and the libraries.
    """

    key: str
    sha256: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int | None
    parameters: dict[str, object]
    machine: str
    versions: dict[str, str]


@dataclass
class Manifest:
    """The executed chapters by name; the keys of what was staged and of the published site."""

    chapters: dict[str, Execution] = field(default_factory=dict)
    staged: str = ""
    html: str = ""

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """The manifest in `path`; an empty one where it is absent or damaged."""
        try:
            stored = json.loads(path.read_text("utf-8"))
            if stored["version"] != _VERSION:
                return cls()
            chapters = {name: Execution(**entry) for name, entry in stored["chapters"].items()}
            return cls(chapters, stored["staged"], stored["html"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def write(self, path: Path) -> None:
        """Store it in one step."""
        content = {"version": _VERSION, **asdict(self)}
        files.replace(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
