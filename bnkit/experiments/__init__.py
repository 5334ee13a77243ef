"""Experiments: a frozen spec, and a pure `run` from spec and seeds to rows; one file each.

An experiment's module has

- a frozen, keyword-only dataclass whose fields are grouped scientific, nuisance and fixed,
- `run(spec, seeds, progress=None) -> list[Row]`: no files, no plots, no globals,
- `ARMS`: name -> spec, the arms that rules in `data/claims.toml` name; `Tuned(spec)` stands for
  a spec whose learning rate is chosen on validation; a spec of another experiment is run and
  recorded there,
- `RATES` where a rate is tuned: the first and the last of the grid to begin with,
- `for_tuning(spec)`, where measuring takes long: the same training with fewer measurements,
- `STACK`: how many seeds one process runs at once; 1 if absent.

An experiment without training has `measure(spec, rng)`, and its `run` is `drawn` of that.

What most of them train is in `bnkit.fully_connected`: net, mini-batches, accuracies.

A judged metric is one row a seed, at the last step of the run; curves have other names.

The seed is never a field: it varies within an arm, and verdicts take it as the sample.

`$BNKIT_EXPERIMENTS` names folders with more such files, separated as in `$PATH`: an experiment of
your own goes through the same trial, also on a cluster whose workers have the variable set.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import numpy as np

from bnkit.errors import InputError
from bnkit.rows import Row

__path__ += filter(None, os.environ.get("BNKIT_EXPERIMENTS", "").split(os.pathsep))


@dataclass(frozen=True)
class Tuned:
    """An arm at a rate that validation chooses.

    Attributes:
        spec: the arm; its own `rate` is not used.
        like: the arm whose tuned rate it takes, where that is not its own.
    """

    spec: Any
    like: Any = None


def names() -> list[str]:
    """All experiments, sorted."""
    return sorted(module.name for module in iter_modules(__path__))


def find(name: str) -> ModuleType:
    """The module of one experiment; InputError for a name that is not there."""
    full = f"{__name__}.{name}"
    if full in sys.modules:  # to list the folder at each call takes longer than what is asked for
        return sys.modules[full]
    if name not in names():
        raise InputError(f"no experiment {name!r}: choose one of {', '.join(names())}")
    return import_module(full)


def home(experiment: str, arm: Any) -> str:
    """The experiment that runs an arm and keeps its records: where its spec's class is defined.

    It is `experiment` itself but for arms that are borrowed from another one.
    """
    spec = arm.spec if isinstance(arm, Tuned) else arm
    package, _, name = type(spec).__module__.rpartition(".")
    return name if package == __name__ else experiment


def drawn(
    measure: Callable[[Any, np.random.Generator], Mapping[str, float]],
    spec: Any,
    seeds: Sequence[int],
    step: int = 0,
) -> list[Row]:
    """The rows of an experiment that trains no network: pure numbers, drawn anew for each seed.

    Args:
        measure: one seed: (spec, its generator) -> metric and value.
        spec: the arm.
        seeds: of the generators.
        step: at which the values stand.
    """
    return [
        Row(seed, step, name, value, "1")
        for seed in seeds
        for name, value in measure(spec, np.random.default_rng(seed)).items()
    ]
