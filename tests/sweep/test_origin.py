"""Where a record comes from: commit, machine, versions, data, rules."""

import json
import platform
import subprocess
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import bnkit
from bnkit.data import load
from bnkit.sweep import origin


@pytest.fixture(autouse=True)
def _forget():
    origin.commit.cache_clear()
    yield
    origin.commit.cache_clear()


@dataclass
class Spec:
    data_set: str = "digits"


def test_the_origin_is_plain_json():
    found = origin.origin(Spec(), 3, 1.23456)
    assert json.loads(json.dumps(found)) == found
    assert found["seconds"] == 1.23
    assert found["stacked_seeds"] == 3


def test_the_machine_is_named_with_its_versions():
    found = origin.machine()
    assert found["python"] == platform.python_version()
    assert torch.__version__.startswith(found["versions"]["torch"].split("+")[0])
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"]["bnkit"] == bnkit.__version__
    assert found["device"] == "cpu"
    assert found["cpu"] == origin.cpu_model() != ""


def test_the_data_is_named_by_its_hash():
    assert origin.data_sha256(Spec()) == load("digits").sha256
    assert origin.data_sha256(object()) == ""


@pytest.mark.parametrize(("clean", "expected"), [("1", True), ("0", False), (None, False)])
def test_without_git_the_commit_comes_from_the_environment(monkeypatch, clean, expected):
    monkeypatch.setenv("BNKIT_COMMIT", "abc")
    monkeypatch.delenv("BNKIT_CLEAN", raising=False)
    if clean is not None:
        monkeypatch.setenv("BNKIT_CLEAN", clean)
    assert origin.commit() == {"commit": "abc", "clean": expected}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.delenv("BNKIT_COMMIT", raising=False)
    monkeypatch.setenv("BNKIT_HOME", str(tmp_path))
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]

    def git(*arguments):
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    (tmp_path / "code.py").write_text("1\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    return tmp_path, git


def test_a_clean_tree_has_its_commit(repository):
    _, git = repository
    assert origin.commit() == {"commit": git("rev-parse", "HEAD"), "clean": True}


def test_an_edited_or_a_new_file_makes_the_tree_unclean(repository):
    folder, _ = repository
    (folder / "new.py").write_text("2\n")
    assert origin.commit()["clean"] is False


def test_records_that_are_being_written_do_not_make_it_unclean(repository):
    folder, _ = repository
    (folder / "data" / "records" / "race").mkdir(parents=True)
    (folder / "data" / "records" / "race" / "spec.json").write_text("{}")
    assert origin.commit()["clean"] is True


def test_without_git_and_environment_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.delenv("BNKIT_COMMIT", raising=False)
    monkeypatch.setenv("BNKIT_HOME", str(tmp_path))
    assert origin.commit() == {"commit": "unknown", "clean": False}
