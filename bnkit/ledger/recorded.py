"""What is there to show of an experiment, whether or not all of it has been run?

A claim is judged by all arms that its rule names, or not at all; a figure can show what there is.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bnkit import experiments, store, sweep
from bnkit.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def tables(
    experiment: str, arms: Iterable[str], root: Path | None = None
) -> "dict[str, pd.DataFrame]":
    """Arm -> its stored rows, of the arms that have any; the seeds of tuning are left out.

    Args:
        experiment: a name of `experiments.names()`.
        arms: names of its arms.
        root: the records' folder.

    Raises:
        InputError: the experiment has no such arm.
        RecordError: a record is damaged.
    """
    there = experiments.find(experiment).ARMS
    found = {}
    for name in arms:
        if name not in there:
            raise InputError(f"{experiment} has no arm {name!r}: choose of {', '.join(there)}")
        try:
            spec = sweep.resolve(experiment, there[name], root)
        except store.RecordError:
            raise
        except InputError:  # its rate is not tuned yet
            continue
        home = experiments.home(experiment, spec)
        seeds = sorted(set(store.recorded_seeds(home, spec, root)) - set(sweep.TUNING_SEEDS))
        if seeds:
            found[name] = store.table(home, spec, seeds, root)
    return found
