"""The record of a GPU benchmark: one JSON file, in which every finished case is kept at once."""

import json
import math
import os
from pathlib import Path
from typing import Any

from bnkit.errors import InputError

SCHEMA = 1


class Record:
    """Cases by name, and the sessions in which they were measured.

    A session is one call of the command: date, commit, device, versions. All sessions of a record
    have the same commit: times of different code do not belong side by side.
    """

    def __init__(self, path: Path, session: dict[str, Any]) -> None:
        self.path = path
        self._document = _read(path)
        for earlier in self._document["sessions"]:
            for key in ("commit", "clean", "device"):
                if earlier[key] != session[key]:
                    raise InputError(
                        f"{path} has {key} {earlier[key]!r} and this is {session[key]!r}: remove "
                        "it, or name another file by --out"
                    )
        self._document["sessions"].append(session)

    @property
    def names(self) -> set[str]:
        """Names of the cases that are done."""
        return set(self._document["cases"])

    def keep(self, name: str, report: dict[str, Any]) -> None:
        """Add a case and write the file, whole or not at all."""
        session = len(self._document["sessions"]) - 1
        self._document["cases"][name] = {"session": session, **_plain(report)}
        text = json.dumps(self._document, indent=1, sort_keys=True, allow_nan=False)
        part = self.path.with_name(self.path.name + ".part")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)


def _plain(value: Any) -> Any:
    """Numbers that are not finite as words: JSON has none."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"schema": SCHEMA, "sessions": [], "cases": {}}
    try:
        document = json.loads(path.read_text("utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']}")
        if not isinstance(document["sessions"], list) or not isinstance(document["cases"], dict):
            raise TypeError("no sessions or no cases")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no record of `bench gpu` with schema {SCHEMA} ({error}): remove it, or "
            "name another file by --out"
        ) from error
    return document
