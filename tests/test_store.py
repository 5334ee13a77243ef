"""The record store: what is written comes back bit for bit, and damage is never read as data."""

import errno
import json
import math
import os
import struct
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import ClassVar

import pytest

from bnkit import store
from bnkit.rows import Row

AWKWARD = (0.1, -0.0, 1e-300, 5e-324, 1.7976931348623157e308, math.nan, math.inf, -math.inf)


@dataclass(frozen=True, kw_only=True)
class Race:
    norm: str = "batch"
    rate: float = 0.1
    widths: tuple[int, ...] = (3, 2)
    shuffled: bool = True
    num_steps: int = 10
    limit: float | None = None

    version: ClassVar[int] = 1


OTHER = {
    "norm": "none",
    "rate": 0.10000000000000002,
    "widths": (3, 2, 1),
    "shuffled": False,
    "num_steps": 11,
    "limit": 0.0,
}
SPEC = Race()


def some_rows(seed=3):
    return [Row(seed, 0, "loss", 0.5, "nat"), Row(seed, 100, "loss", 0.25, "nat")]


def saved(root, seed=3, rows=None, spec=SPEC, **origin):
    return store.save("race", spec, seed, rows or some_rows(seed), origin, root)


def bits(rows):
    return [(*row[:3], struct.pack("<d", row.value), row.unit) for row in rows]


def the_folder(root):
    (place,) = (root / "race").iterdir()
    return place


def rewrite(path, change):
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


# ---- keys


def test_the_key_is_pinned():
    assert store.canonical(SPEC) == (
        '{"kind":"Race","limit":null,"norm":"batch","num_steps":10,"rate":0.1,"shuffled":true,'
        '"version":1,"widths":[3,2]}'
    )
    assert store.spec_key(SPEC) == "dc2090d58b3d"


@pytest.mark.parametrize("field", [field.name for field in fields(Race)])
def test_every_field_has_a_part_in_the_key(field):
    assert store.spec_key(replace(SPEC, **{field: OTHER[field]})) != store.spec_key(SPEC)


def test_the_version_and_the_name_of_the_spec_have_a_part_in_the_key():
    newer = type("Race", (Race,), {"version": 2})
    renamed = type("Chase", (Race,), {})
    keys = {store.spec_key(spec()) for spec in (Race, newer, renamed)}
    assert len(keys) == 3


def test_a_default_is_hashed_like_any_other_value():
    assert store.spec_key(Race(rate=0.1)) == store.spec_key(Race())
    assert '"rate":0.1' in store.canonical(Race())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_field_that_is_no_number_has_no_key(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.spec_key(Race(rate=value))


# ---- round trip


def test_rows_come_back_bit_for_bit(tmp_path):
    rows = [Row(3, step, "loss", value, "nat") for step, value in enumerate(AWKWARD)]
    saved(tmp_path, rows=rows)
    assert bits(store.load("race", SPEC, root=tmp_path)) == bits(rows)


def test_rows_are_sorted_by_name_and_step_whatever_their_order(tmp_path):
    rows = [Row(3, s, n, 1.0, "1") for n in ("b", "a") for s in (200, 30, 1000)]
    saved(tmp_path, rows=rows)
    assert [(r.name, r.step) for r in store.load("race", SPEC, root=tmp_path)] == [
        (n, s) for n in "ab" for s in (30, 200, 1000)
    ]


def test_the_same_rows_make_the_same_bytes(tmp_path):
    first = saved(tmp_path / "a").read_bytes()
    assert saved(tmp_path / "b", rows=some_rows()[::-1]).read_bytes() == first
    assert first == b"seed,step,name,value,unit\n3,0,loss,0.5,nat\n3,100,loss,0.25,nat\n"


def test_names_and_units_may_have_commas_quotes_and_lines(tmp_path):
    rows = [Row(3, 0, 'gap "a, b"\nγ', 1.5, "1/√n")]
    saved(tmp_path, rows=rows)
    assert store.load("race", SPEC, root=tmp_path) == rows


def test_numbers_of_numpy_are_stored_as_numbers(tmp_path):
    import numpy as np

    saved(tmp_path, rows=[Row(np.int64(3), np.int32(7), "loss", np.float32(0.1), "nat")])
    assert store.load("race", SPEC, root=tmp_path) == [
        Row(3, 7, "loss", 0.10000000149011612, "nat")
    ]


def test_seeds_are_loaded_as_asked_and_kept_apart(tmp_path):
    for seed in (12, 3, 1001):
        saved(tmp_path, seed)
    assert store.recorded_seeds("race", SPEC, tmp_path) == [3, 12, 1001]
    assert [r.seed for r in store.load("race", SPEC, [12, 3], tmp_path)] == [12, 12, 3, 3]
    assert store.recorded_seeds("race", replace(SPEC, rate=1.0), tmp_path) == []
    names = sorted(path.name for path in the_folder(tmp_path).glob("seed-*"))
    assert names == ["seed-003.csv", "seed-012.csv", "seed-1001.csv"]


def test_a_table_has_the_columns_of_a_row(tmp_path):
    saved(tmp_path)
    table = store.table("race", SPEC, root=tmp_path)
    assert list(table) == ["seed", "step", "name", "value", "unit"]
    assert table["value"].tolist() == [0.5, 0.25]


def test_the_origin_is_kept_with_the_hash_of_the_file(tmp_path):
    import hashlib

    path = saved(tmp_path, seconds=1.5)
    origin = store.provenance("race", SPEC, tmp_path)["3"]
    assert origin == {"seconds": 1.5, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_seed_that_is_saved_again_is_replaced(tmp_path):
    saved(tmp_path)
    newer = [Row(3, 0, "loss", 9.0, "nat")]
    saved(tmp_path, rows=newer)
    assert store.load("race", SPEC, root=tmp_path) == newer


# ---- what is refused


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], r"rows of seed 3 expected, got those of \[\]"),
        (some_rows(4), r"rows of seed 3 expected, got those of \[4\]"),
        (some_rows(3) + some_rows(4), r"got those of \[3, 4\]"),
        (some_rows() + some_rows()[1:], "seed 3 has loss twice at step 100"),
    ],
)
def test_wrong_rows_are_not_stored(tmp_path, rows, words):
    with pytest.raises(ValueError, match=words):
        store.save("race", SPEC, 3, rows, {}, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seeds", [None, [4], [3, 4]])
def test_what_is_not_recorded_is_said_with_the_command_that_makes_it(tmp_path, seeds):
    if seeds:
        saved(tmp_path)
    with pytest.raises(store.RecordError, match="not recorded; run `python -m bnkit sweep race`"):
        store.load("race", SPEC, seeds, tmp_path)


def test_a_record_cut_at_any_byte_is_seen(tmp_path):
    path = saved(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(store.RecordError, match=r"seed-003\.csv: SHA-256 is .* altered or cut"):
            store.load("race", SPEC, root=tmp_path)
        with pytest.raises(store.RecordError):
            store.intact_seeds("race", SPEC, tmp_path)
    path.write_bytes(whole)
    assert store.load("race", SPEC, root=tmp_path) == some_rows()


def test_a_provenance_cut_at_any_byte_is_seen(tmp_path):
    saved(tmp_path)
    path = the_folder(tmp_path) / "provenance.json"
    whole = path.read_bytes().rstrip()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(store.RecordError, match=r"provenance\.json: "):
            store.recorded_seeds("race", SPEC, tmp_path)


def test_a_spec_cut_at_any_byte_is_seen(tmp_path):
    saved(tmp_path)
    path = the_folder(tmp_path) / "spec.json"
    whole = path.read_bytes().rstrip()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(store.RecordError, match=r"spec\.json: its key is"):
            store.load("race", SPEC, root=tmp_path)


def test_any_altered_digit_is_seen(tmp_path):
    path = saved(tmp_path)
    whole = path.read_text()
    for place in [i for i, character in enumerate(whole) if character.isdecimal()]:
        digit = str((int(whole[place]) + 1) % 10)
        path.write_text(whole[:place] + digit + whole[place + 1 :])
        with pytest.raises(store.RecordError, match="altered or cut"):
            store.load("race", SPEC, root=tmp_path)


def test_a_line_that_is_there_twice_is_seen(tmp_path):
    path = saved(tmp_path)
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    with pytest.raises(store.RecordError, match="altered or cut"):
        store.load("race", SPEC, root=tmp_path)


def test_bytes_that_are_no_text_are_seen(tmp_path):
    saved(tmp_path).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(store.RecordError, match="cannot be read"):
        store.load("race", SPEC, root=tmp_path)


def test_a_spec_with_an_altered_field_is_seen(tmp_path):
    saved(tmp_path)
    path = the_folder(tmp_path) / "spec.json"
    path.write_text(path.read_text().replace('"rate":0.1', '"rate":0.3'))
    with pytest.raises(store.RecordError, match=rf"spec\.json: .* not {store.spec_key(SPEC)}"):
        store.load("race", SPEC, root=tmp_path)


@pytest.mark.parametrize("length", [1, 6, 11])
def test_a_key_that_was_cut_is_named_and_the_record_stays(tmp_path, length):
    saved(tmp_path)
    place = the_folder(tmp_path)
    cut = place.rename(place.with_name(place.name[:length]))
    for use in (store.recorded_seeds, store.load, store.intact_seeds):
        with pytest.raises(store.RecordError, match=f"the name is cut, the key is {place.name}"):
            use("race", SPEC, root=tmp_path)
    with pytest.raises(store.RecordError, match="rename the folder"):
        saved(tmp_path, seed=4)
    cut.rename(place)
    assert store.load("race", SPEC, root=tmp_path) == some_rows()


@pytest.mark.parametrize("schema", [0, 2, None, "1"])
def test_a_record_of_another_schema_is_refused_and_left_as_it_is(tmp_path, schema):
    saved(tmp_path)
    place = the_folder(tmp_path)
    rewrite(place / "provenance.json", lambda document: {**document, "schema": schema})
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    for use in (lambda: store.load("race", SPEC, root=tmp_path), lambda: saved(tmp_path, seed=4)):
        with pytest.raises(store.RecordError, match=f"schema {schema}, this version reads 1"):
            use()
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: {key: document[key] for key in ("schema", "experiment")},
        lambda document: {**document, "seeds": ["3"]},
        lambda document: {**document, "seeds": {"three": document["seeds"]["3"]}},
        lambda document: {**document, "seeds": {"3": {}}},
        lambda document: {**document, "seeds": {"3": {"sha256": None}}},
        lambda document: [document],
    ],
)
def test_a_provenance_that_lacks_something_is_refused_in_one_line(tmp_path, damage):
    saved(tmp_path)
    rewrite(the_folder(tmp_path) / "provenance.json", damage)
    with pytest.raises(store.RecordError, match=r"provenance\.json: ") as caught:
        store.load("race", SPEC, root=tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_was_deleted_is_missed_and_can_be_made_again(tmp_path):
    saved(tmp_path, 3)
    path = saved(tmp_path, 4)
    path.unlink()
    with pytest.raises(store.RecordError, match=r"seed-004\.csv: cannot be read"):
        store.load("race", SPEC, root=tmp_path)
    assert store.recorded_seeds("race", SPEC, tmp_path) == [3, 4]  # no verdict without seed 4
    assert store.intact_seeds("race", SPEC, tmp_path) == [3]  # but a sweep runs it again
    saved(tmp_path, 4)
    assert store.load("race", SPEC, root=tmp_path) == some_rows(3) + some_rows(4)


# ---- writing


@pytest.mark.parametrize("fails", ["fsync", "replace", "write"])
def test_a_full_disk_leaves_the_old_file_and_no_half_one(tmp_path, monkeypatch, fails):
    path = tmp_path / "file"
    store.write_atomic(path, "old")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if fails == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    elif fails == "replace":
        monkeypatch.setattr(Path, "replace", full)
    else:
        open_file = Path.open
        monkeypatch.setattr(Path, "open", lambda *a, **k: Unwritable(open_file(*a, **k), full))
    with pytest.raises(OSError, match="No space left"):
        store.write_atomic(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


class Unwritable:
    """An open file whose `write` fails after the file has been made."""

    def __init__(self, file, fail):
        self.file, self.fail = file, fail

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, text):
        self.file.write(text[:1])
        self.fail()


def test_a_full_disk_loses_nothing_that_was_recorded(tmp_path, monkeypatch):
    saved(tmp_path, 3)
    original, calls = os.fsync, []

    def full_at_the_third(handle):
        calls.append(handle)
        if len(calls) == 3:  # the spec, the rows, the provenance
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(handle)

    monkeypatch.setattr(os, "fsync", full_at_the_third)
    with pytest.raises(OSError, match="No space left"):
        saved(tmp_path, 4)
    monkeypatch.undo()
    assert store.recorded_seeds("race", SPEC, tmp_path) == [3]
    assert store.load("race", SPEC, root=tmp_path) == some_rows(3)
    saved(tmp_path, 4)
    assert store.intact_seeds("race", SPEC, tmp_path) == [3, 4]


def test_what_a_kill_left_half_written_is_cleared_away(tmp_path):
    saved(tmp_path, 3)
    left = the_folder(tmp_path) / ".seed-004.csv.4711.part"
    left.write_text("seed,st")
    saved(tmp_path, 4)
    assert not left.exists()
    assert store.recorded_seeds("race", SPEC, tmp_path) == [3, 4]


WRITER = """
import sys
from bnkit import store
from bnkit.experiments import toy
for seed in range(int(sys.argv[1]), 24, 8):
    store.save("toy", toy.PLAIN, seed, toy.run(toy.PLAIN, [seed]), {})
"""


def test_eight_writers_at_once_lose_nothing(records, toy, environment):
    command = [sys.executable, "-c", WRITER]
    writers = [subprocess.Popen([*command, str(first)], env=environment) for first in range(8)]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 8
    assert store.intact_seeds("toy", toy.PLAIN) == list(range(24))
    assert sorted(store.load("toy", toy.PLAIN)) == sorted(toy.run(toy.PLAIN, range(24)))
    names = {path.name for path in store.folder("toy", toy.PLAIN).iterdir()} - {".lock"}
    assert names == {f"seed-{s:03d}.csv" for s in range(24)} | {"spec.json", "provenance.json"}
