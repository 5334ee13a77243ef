"""The record store: spec -> key -> one file of rows a seed, with where each came from.

    <records>/<experiment>/<key>/spec.json
                                 seed-003.csv
                                 provenance.json   SHA-256 and origin of every seed's file

Every artifact is written beside its final name and then renamed, the provenance last; a seed
counts as recorded only if its provenance is there, and is read only if its hash is right. So a kill
at any moment loses at most what was not yet finished, and an altered digit is seen.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnkit import places
from bnkit.errors import InputError
from bnkit.rows import Row

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
_COLUMNS = ("seed", "step", "name", "value", "unit")
_MEND = "restore it from version control, or delete its folder and run its sweep again"


class RecordError(InputError):
    """A record that is damaged, altered or of another schema."""


def spec_key(spec: Any) -> str:
    """Twelve hexadecimal digits that stand for the whole spec.

    Every field is hashed, defaults included, so that changing a default can never make an old
    result answer a new question.
    """
    return hashlib.sha256(canonical(spec).encode()).hexdigest()[:12]


def canonical(spec: Any) -> str:
    """The spec as one line of JSON: kind, version and all fields, sorted."""
    named = {"kind": type(spec).__name__, "version": spec.version, **asdict(spec)}
    return json.dumps(named, sort_keys=True, separators=(",", ":"), allow_nan=False)


def folder(experiment: str, spec: Any, root: Path | None = None) -> Path:
    """Where the records of one arm are."""
    return (root or places.records()) / experiment / spec_key(spec)


def recorded_seeds(experiment: str, spec: Any, root: Path | None = None) -> list[int]:
    """The seeds that have been stored, sorted; `load` sees whether they are as written."""
    return sorted(int(seed) for seed in _provenance(folder(experiment, spec, root)))


def intact_seeds(experiment: str, spec: Any, root: Path | None = None) -> list[int]:
    """The recorded seeds whose file is there, sorted: one that was deleted is to be run again.

    Raises:
        RecordError: a file that is there, and is not as it was written.
    """
    place = folder(experiment, spec, root)
    entries = _provenance(place)
    there = [seed for seed in sorted(map(int, entries)) if (place / _file_name(seed)).exists()]
    for seed in there:
        _intact_text(place / _file_name(seed), entries[str(seed)]["sha256"])
    return there


def load(
    experiment: str, spec: Any, seeds: Iterable[int] | None = None, root: Path | None = None
) -> list[Row]:
    """The stored rows of some seeds, all recorded ones if none are named.

    Raises:
        RecordError: a seed that is not recorded, or a file that is not as it was written.
    """
    place = folder(experiment, spec, root)
    entries = _provenance(place)
    wanted = sorted(map(int, entries)) if seeds is None else list(seeds)
    absent = [seed for seed in wanted if str(seed) not in entries]
    if absent or not wanted:
        raise RecordError(
            f"{experiment} {spec_key(spec)}: seeds {absent or 'all'} are not recorded; "
            f"run `python -m bnkit sweep {experiment}`"
        )
    return [
        row
        for seed in wanted
        for row in _read_rows(place / _file_name(seed), entries[str(seed)]["sha256"])
    ]


def table(
    experiment: str, spec: Any, seeds: Iterable[int] | None = None, root: Path | None = None
) -> "pd.DataFrame":
    """The stored rows as a table with the columns seed, step, name, value, unit."""
    import pandas as pd

    return pd.DataFrame(load(experiment, spec, seeds, root), columns=Row._fields)


def provenance(experiment: str, spec: Any, root: Path | None = None) -> Mapping[str, Any]:
    """Seed (as text) -> where its record came from."""
    return _provenance(folder(experiment, spec, root))


def save(
    experiment: str,
    spec: Any,
    seed: int,
    rows: Iterable[Row],
    origin: Mapping[str, Any],
    root: Path | None = None,
) -> Path:
    """Store one seed's rows; a seed that is already there is replaced.

    Raises:
        ValueError: rows of another seed among them, or none, or one metric twice at one step.
        RecordError: the folder holds something that this version cannot read; it is left as it is.
    """
    rows = sorted(rows, key=lambda row: (row.name, row.step))
    if not rows or {row.seed for row in rows} != {seed}:
        raise ValueError(
            f"rows of seed {seed} expected, got those of {sorted({r.seed for r in rows})}"
        )
    for row, following in pairwise(rows):
        if (row.name, row.step) == (following.name, following.step):
            raise ValueError(f"seed {seed} has {row.name} twice at step {row.step}: keep one")
    place = folder(experiment, spec, root)
    _provenance(place)  # what cannot be read is refused before anything is made
    place.mkdir(parents=True, exist_ok=True)
    content = _to_csv(rows)
    with _locked(place):
        entries = dict(_provenance(place))
        for left_by_a_kill in place.glob(".*.part"):
            left_by_a_kill.unlink()
        write_atomic(place / "spec.json", canonical(spec) + "\n")
        path = write_atomic(place / _file_name(seed), content)
        entries[str(seed)] = {**origin, "sha256": _sha256(content)}
        ordered = dict(sorted(entries.items(), key=lambda item: int(item[0])))
        document = {"schema": SCHEMA, "experiment": experiment, "seeds": ordered}
        write_atomic(place / "provenance.json", json.dumps(document, indent=1) + "\n")
    return path


def write_atomic(path: Path, text: str) -> Path:
    """Write `text` so that `path` is either what it was or all of `text`, never a part."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _file_name(seed: int) -> str:
    return f"seed-{seed:03d}.csv"


def _to_csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((r.seed, r.step, r.name, repr(float(r.value)), r.unit) for r in rows)
    return text.getvalue()


def _read_rows(path: Path, expected: str) -> Iterator[Row]:
    lines = csv.reader(io.StringIO(_intact_text(path, expected)))
    for seed, step, name, value, unit in list(lines)[1:]:
        yield Row(int(seed), int(step), name, float(value), unit)


def _intact_text(path: Path, expected: str) -> str:
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read ({error}); run its sweep again") from None
    if _sha256(text) != expected:
        raise RecordError(
            f"{path}: SHA-256 is {_sha256(text)[:12]}…, the record says {expected[:12]}…: it was "
            "altered or cut; restore it from version control, or delete it and run its sweep again"
        )
    return text


def _provenance(place: Path) -> Mapping[str, Any]:
    """Seed (as text) -> its origin and hash, empty where nothing is stored."""
    path = place / "provenance.json"
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        _refuse_a_cut_name(place)
        return {}
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: cannot be read ({error}); {_MEND}") from None
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise RecordError(
            f"{path}: schema {schema}, this version reads {SCHEMA}; move the folder away and run "
            "its sweep again"
        )
    _check_spec(place)
    seeds = document.get("seeds")
    if not isinstance(seeds, dict) or not all(map(_is_an_origin, seeds.items())):
        raise RecordError(f"{path}: not every seed has a number and a SHA-256; {_MEND}")
    return seeds


def _is_an_origin(entry: tuple[str, Any]) -> bool:
    seed, origin = entry
    return seed.isdecimal() and isinstance(origin, dict) and isinstance(origin.get("sha256"), str)


def _check_spec(place: Path) -> None:
    """The folder's name is the key of the spec inside: one altered field, and it is not."""
    path = place / "spec.json"
    try:
        key = _sha256(path.read_bytes().decode("utf-8").removesuffix("\n"))[:12]
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read ({error}); {_MEND}") from None
    if key != place.name:
        raise RecordError(f"{path}: its key is {key} and not {place.name}: altered or cut; {_MEND}")


def _refuse_a_cut_name(place: Path) -> None:
    """Records under a part of their key would be run again, and be lost to every verdict."""
    for length in range(1, len(place.name)):
        cut = place.with_name(place.name[:length])
        if (cut / "provenance.json").exists():
            raise RecordError(f"{cut}: the name is cut, the key is {place.name}; rename the folder")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    from filelock import FileLock

    lock = place / ".lock"
    with FileLock(lock):
        yield
