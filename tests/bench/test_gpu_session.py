"""`make gpu` on a toy: what is missing is done in order, within the budget, and packed."""

import os
import tarfile
import time

import pytest

from bnkit import store
from bnkit.__main__ import main
from bnkit.bench import gpu_session
from bnkit.errors import InputError

SWEEPS = (("toy", ("none@0.1",)), ("toy", ("none", "batch")))


def session(tmp_path, seconds=60.0, **how):
    how = {"bench": lambda budget: 0, "sweeps": SWEEPS, **how}
    return gpu_session.run(seconds=seconds, archive=tmp_path / "records.tgz", **how)


def packed(tmp_path):
    with tarfile.open(tmp_path / "records.tgz") as archive:
        return set(archive.getnames())


def test_what_is_missing_is_run_and_packed(records, toy, tmp_path, capsys):
    assert session(tmp_path) == 0
    out = capsys.readouterr().out
    assert "toy none@0.1: 10 seeds run" in out
    assert "toy none, batch: 20 seeds run" in out
    names = packed(tmp_path)
    key = store.spec_key(toy.ARMS["none@0.1"])
    assert f"toy/{key}/seed-009.csv" in names
    assert f"toy/{key}/provenance.json" in names
    assert not any(name.endswith(".lock") for name in names)


def test_the_next_call_packs_only_what_is_new(records, toy, tmp_path, capsys):
    session(tmp_path, sweeps=SWEEPS[:1])
    for path in records.rglob("*"):
        if path.is_file():  # as if it had been an hour ago
            os.utime(path, (time.time() - 3600,) * 2)
    capsys.readouterr()
    session(tmp_path)
    key = store.spec_key(toy.ARMS["none@0.1"])
    assert "toy none@0.1: 0 seeds run" in capsys.readouterr().out
    assert f"toy/{key}/seed-000.csv" not in packed(tmp_path)


def test_the_bench_has_half_of_the_budget_and_its_code_is_the_code(records, toy, tmp_path):
    budgets = []

    def bench(seconds):
        budgets.append(seconds)
        return 1

    assert session(tmp_path, seconds=40.0, bench=bench) == 1
    assert budgets == [20.0]


def test_a_budget_that_is_spent_still_brings_home_what_is_there(records, toy, tmp_path, capsys):
    assert session(tmp_path, seconds=1e-6) == 0
    assert "call again" in capsys.readouterr().out
    assert packed(tmp_path) == set()


def test_an_archive_that_cannot_be_written_is_refused_before_any_work(records, toy, tmp_path):
    with pytest.raises(InputError, match="in a folder that exists"):
        gpu_session.run(seconds=1.0, archive=tmp_path / "nowhere" / "records.tgz")
    assert main(["bench", "session", "--archive", str(tmp_path / "records.zip")]) == 2
