"""Experiments: a frozen spec, and a pure `run` from spec and seeds to rows; one file each.

An experiment's module has

- a frozen, keyword-only dataclass whose fields are grouped scientific, nuisance and fixed,
- `run(spec, seeds, progress=None) -> list[Row]`: no files, no plots, no globals,
- `ARMS`: name -> spec, the arms that are compared,
- `RATES` where a learning rate is tuned: the grid, ascending.

The seed is never a field: it varies within an arm, and verdicts take it as the sample.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from bnkit.errors import InputError


def names() -> list[str]:
    """All experiments, sorted."""
    return sorted(module.name for module in iter_modules(__path__))


def find(name: str) -> ModuleType:
    """The module of one experiment; InputError for a name that is not there."""
    if name not in names():
        raise InputError(f"no experiment {name!r}: choose one of {', '.join(names())}")
    return import_module(f"bnkit.experiments.{name}")
