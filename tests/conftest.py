"""A project of its own for tests of commands: records, claims and an experiment that is quick."""

import os
from pathlib import Path

import pytest

from bnkit import experiments

TOYS = Path(__file__).with_name("toy_experiments")

CLAIMS = """
[[claim]]
id = "T1"
claim = "At the plain net's rate the toy with BN arrives sooner."
kind = "experiment"
chapter = "speed-and-accuracy"
source = "ours"
certainty = "pilot"
expected = "supported"
because = "It is written that way."
experiment = "toy"
family = "race"
rule = { kind = "ratio", metric = "steps_to_target", arm = "batch@none", against = "none", \
below = 0.9, by = "rank" }
controls.accuracy = { kind = "difference", metric = "test_accuracy", arm = "none", above = 0.5 }

[[claim]]
id = "T2"
claim = "At its own rate the toy with BN is better by 0.02."
kind = "experiment"
chapter = "speed-and-accuracy"
source = "ours"
certainty = "pilot"
expected = "supported"
because = "It is written that way."
experiment = "toy"
family = "race"
rule = { kind = "difference", metric = "test_accuracy", arm = "batch", against = "none", \
above = 0.02 }

[[claim]]
id = "T3"
claim = "The toy's error is nearly 0."
kind = "exact"
chapter = "lipschitz"
source = "ours"
certainty = "pilot"
expected = "supported"
because = "It is written that way."
experiment = "toy"
family = "toys"
rule = { kind = "identity", metric = "max_error", arm = "none@0.1", tolerance = 1e-9 }

[[claim]]
id = "T4"
claim = "Something that nobody has tried."
kind = "experiment"
chapter = "lipschitz"
source = "ours"
certainty = "pilot"
expected = "undecided"
because = "Nobody has tried."
experiment = "not_written"
family = "toys"
rule = { kind = "bound", metric = "test_accuracy", arm = "none", above = 0.5 }

[[claim]]
id = "T5"
claim = "Something that no number can show."
kind = "editorial"
chapter = "lipschitz"
source = "ours"
certainty = "read"
because = "It is a matter of words."
ruling = "cited"
rests_on = ["T1"]

[[sentence]]
id = "L1"
says = "BN helps the toy."
rests_on = ["T1", "T1.accuracy", "T2"]
"""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A project folder with five claims, no records, and the experiment `toy`."""
    folder = tmp_path / "a home ü"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "claims.toml").write_text(CLAIMS, encoding="utf-8")
    monkeypatch.setenv("BNKIT_HOME", str(folder))
    monkeypatch.setenv("BNKIT_COMMIT", "0" * 40)
    monkeypatch.setenv("BNKIT_EXPERIMENTS", str(TOYS))  # for the processes that a test starts
    if str(TOYS) not in experiments.__path__:
        monkeypatch.setattr(experiments, "__path__", [*experiments.__path__, str(TOYS)])
    return folder


@pytest.fixture
def records(home) -> Path:
    """The records' folder of that project, empty."""
    return home / "data" / "records"


@pytest.fixture
def toy(home):
    """The module of the quick experiment."""
    return experiments.find("toy")


@pytest.fixture
def environment(home) -> dict[str, str]:
    """For processes that a test starts: one thread each, and warnings stay warnings."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}
