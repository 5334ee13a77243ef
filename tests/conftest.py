"""A project of its own for tests of commands: records, claims and an experiment that is quick."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch

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


RECORDED_ARMS = ("none", "batch", "batch@none", "none@0.1", "batch@0.1", "diverged")
RECORDED_SEEDS = range(8)


@pytest.fixture(autouse=True)
def _same_numbers():
    """What a test draws without a generator of its own is the same in every run and order."""
    torch.manual_seed(0)


def _settle(folder: Path, monkeypatch) -> None:
    from bnkit.sweep import origin

    origin.commit.cache_clear()  # another test may have asked for that of the checkout
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "claims.toml").write_text(CLAIMS, encoding="utf-8")
    monkeypatch.setenv("BNKIT_HOME", str(folder))
    monkeypatch.setenv("BNKIT_COMMIT", "0" * 40)
    monkeypatch.setenv("BNKIT_EXPERIMENTS", str(TOYS))  # for the processes that a test starts
    if str(TOYS) not in experiments.__path__:
        monkeypatch.setattr(experiments, "__path__", [*experiments.__path__, str(TOYS)])


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A project folder with five claims, no records, and the experiment `toy`."""
    folder = tmp_path / "a home ü"
    _settle(folder, monkeypatch)
    return folder


@pytest.fixture
def records(home) -> Path:
    """The records' folder of that project, empty."""
    return home / "data" / "records"


@pytest.fixture(scope="session")
def _recorded_once(tmp_path_factory) -> Path:
    from bnkit import sweep

    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("recorded") / "home"
        _settle(folder, monkeypatch)
        toy = experiments.find("toy")
        sweep.tune("toy", [toy.PLAIN, toy.BATCH], workers=1, quiet=True)
        specs = [sweep.resolve("toy", toy.ARMS[arm]) for arm in RECORDED_ARMS]
        sweep.run("toy", specs, RECORDED_SEEDS, workers=1, quiet=True)
    return folder / "data" / "records"


@pytest.fixture
def recorded(records, _recorded_once) -> Path:
    """The records' folder with seeds 0 to 7 of six arms, and the tuning of two."""
    shutil.copytree(_recorded_once, records)
    return records


@pytest.fixture
def keep_only(recorded):
    """Leave only some seeds of an arm of the toy, as if no more had been run."""
    from bnkit import store, sweep

    def keep_only(arm, seeds):
        place = store.folder("toy", sweep.resolve("toy", experiments.find("toy").ARMS[arm]))
        document = json.loads((place / "provenance.json").read_text())
        kept = {str(seed) for seed in (*seeds, *sweep.TUNING_SEEDS)}
        for seed in set(document["seeds"]) - kept:
            (place / f"seed-{int(seed):03d}.csv").unlink()
            del document["seeds"][seed]
        (place / "provenance.json").write_text(json.dumps(document))

    return keep_only


@pytest.fixture
def toy(home):
    """The module of the quick experiment."""
    return experiments.find("toy")


@pytest.fixture
def environment(home) -> dict[str, str]:
    """For processes that a test starts: one thread each, and warnings stay warnings."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}


@pytest.fixture
def borrower(tmp_path, monkeypatch):
    """An experiment that has an arm of the toy among its own."""
    folder = tmp_path / "more experiments"
    folder.mkdir()
    (folder / "borrower.py").write_text(
        "from bnkit.experiments import toy\n\nARMS = {'borrowed': toy.ARMS['none@0.1']}\n"
    )
    monkeypatch.setattr(experiments, "__path__", [*experiments.__path__, str(folder)])
    yield experiments.find("borrower")
    sys.modules.pop("bnkit.experiments.borrower")
