"""The record of a GPU benchmark: one JSON file, in which every finished case is kept at once."""

import hashlib
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bnkit.errors import InputError

SCHEMA = 1
MAX_TRIES = 3
_BNKIT = Path(__file__).resolve().parent.parent
# What a time depends on: those with another of these do not belong side by side.
_ALIKE = ("device", "code", "torch", "triton")


class OtherCode(InputError):
    """A record that was made with other code, other versions or another device."""


class Record:
    """Cases by name, those that failed, and the sessions in which they were measured.

    A session is one call of the command: date, commit, device, versions. All sessions of a record
    have the same kernels and measure in the same way, whatever else was committed between them.

    A case that failed, or an arm of which did, is tried again in later calls, but MAX_TRIES times
    at most, and after all others: nothing that kills the process is in the way of the rest.
    """

    def __init__(self, path: Path, session: dict[str, Any]) -> None:
        self.path = path
        self._document = _read(path)
        for earlier in self._document["sessions"]:
            for key in _ALIKE:
                if earlier.get(key) != session.get(key):
                    raise OtherCode(
                        f"{path} has {key} {earlier.get(key)!r} and this is {session.get(key)!r}: "
                        "remove it, or name another file by --out"
                    )
        self._document["sessions"].append(session)

    @property
    def failed(self) -> dict[str, str]:
        """Name -> reason of the cases that failed, in whole or in part."""
        return {name: failure["error"] for name, failure in self._failures.items()}

    def missing(self, names: Iterable[str]) -> list[str]:
        """What is still to be measured, in that order, but what has failed least often first."""
        tries = {
            name: self._failures.get(name, {"tries": 0})["tries"]
            for name in names
            if name in self._failures or name not in self._document["cases"]
        }
        return sorted((name for name in tries if tries[name] < MAX_TRIES), key=lambda n: tries[n])

    def begin(self, name: str) -> None:
        """Count a try in the file: should the process die of it, the next call knows of what."""
        self._failures.setdefault(name, {"tries": 0})["tries"] += 1
        self.fail(name, "it was begun and did not end")

    def fail(self, name: str, error: str) -> None:
        """Keep why a case that was begun failed."""
        self._failures[name]["error"] = error
        self._write()

    def keep(self, name: str, report: dict[str, Any]) -> None:
        """Add a case that was begun, unless more of its arms failed than in an earlier try."""
        errors = _errors(report)
        earlier = self._document["cases"].get(name)
        if earlier is None or len(errors) <= len(_errors(earlier)):
            session = len(self._document["sessions"]) - 1
            self._document["cases"][name] = {"session": session, **_plain(report)}
        if errors:
            self.fail(name, "; ".join(errors))
        else:
            del self._failures[name]
            self._write()

    @property
    def _failures(self) -> dict[str, Any]:
        return self._document["failed"]

    def _write(self) -> None:
        """The file, whole or not at all."""
        text = json.dumps(self._document, indent=1, sort_keys=True, allow_nan=False)
        part = self.path.with_name(self.path.name + ".part")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)


def code() -> str:
    """Sixteen hexadecimal digits that stand for the kernels and for how they are measured."""
    measuring = [_BNKIT / "bench" / f"gpu_{part}.py" for part in ("arms", "device", "measure")]
    digest = hashlib.sha256()
    for path in (*sorted((_BNKIT / "kernels").glob("*.py")), *measuring):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _errors(report: dict[str, Any]) -> list[str]:
    arms = report["arms"].items()
    return [f"{name}: {arm['error']}" for name, arm in arms if "error" in arm]


def _plain(value: Any) -> Any:
    """Numbers that are not finite as words: JSON has none."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"schema": SCHEMA, "sessions": [], "cases": {}, "failed": {}}
    try:
        document = json.loads(path.read_text("utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']}")
        for part, kind in (("sessions", list), ("cases", dict), ("failed", dict)):
            if not isinstance(document[part], kind):
                raise TypeError(f"no {part}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no record of `bench gpu` with schema {SCHEMA} ({error}): remove it, or "
            "name another file by --out"
        ) from error
    return document
