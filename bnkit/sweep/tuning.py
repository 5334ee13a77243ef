"""Which learning rate? Chosen per arm on validation, with seeds that are used for nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bnkit import experiments, store
from bnkit.errors import InputError
from bnkit.rows import Row
from bnkit.sweep.running import run


class OutOfTime(InputError):
    """A deadline came before the work was done; what is done is stored, the next call goes on."""


TUNING_SEEDS = (1000, 1001, 1002)
# The grid that every rate is chosen on: a factor of about √10 apart.
GRID = tuple(float(f"{m}e{e}") for e in range(-7, 4) for m in (1, 3))


def arms(experiment: str, root: Path | None = None) -> dict[str, Any]:
    """Name -> spec of an experiment's arms, each tuned one at its recorded rate.

    Raises:
        InputError: an arm is tuned and its grid is not recorded.
    """
    return {
        name: resolve(experiment, arm, root)
        for name, arm in experiments.find(experiment).ARMS.items()
    }


def resolve(experiment: str, arm: Any, root: Path | None = None) -> Any:
    """The spec that an arm stands for."""
    if not isinstance(arm, experiments.Tuned):
        return arm
    home = experiments.home(experiment, arm)
    return replace(arm.spec, rate=tuned(home, arm.like or arm.spec, root).rate)


def tuned(experiment: str, spec: Any, root: Path | None = None) -> Any:
    """`spec` at the rate of the best mean final validation accuracy over the tuning seeds.

    Raises:
        InputError: the grid is not recorded, or its best rate lies at an edge of what is.
    """
    scores = tuning_scores(experiment, spec, root)
    best = _best(scores)
    if best in (min(scores), max(scores)):
        raise InputError(
            f"{experiment}: the best rate {best:g} is at the edge of the recorded grid; run "
            f"`python -m bnkit sweep {experiment} --tune`, which extends it up to {GRID[0]:g} and "
            f"{GRID[-1]:g}"
        )
    return replace(spec, rate=best)


def tuning_scores(experiment: str, spec: Any, root: Path | None = None) -> dict[float, float]:
    """Rate -> mean final validation accuracy over the tuning seeds, ascending, where recorded.

    Raises:
        InputError: no rate of the grid is recorded.
    """
    scores = {}
    for rate in GRID:
        candidate = _at_rate(experiment, spec, rate)
        if set(TUNING_SEEDS) <= set(store.recorded_seeds(experiment, candidate, root)):
            scores[rate] = _final_accuracy(store.load(experiment, candidate, TUNING_SEEDS, root))
    if not scores:
        raise InputError(
            f"{experiment}: no rate is tuned; run `python -m bnkit sweep {experiment} --tune`"
        )
    return scores


def tune(experiment: str, specs: Sequence[Any], root: Path | None = None, **how: Any) -> list[Any]:
    """Run the experiment's grid for each spec, extended while a best rate is at an edge.

    Args:
        experiment: a name of `experiments.names()`.
        specs: arms; their own `rate` is not used.
        root: the records' folder.
        how: `workers`, `scheduler`, `deadline`, `seed_seconds` and `quiet`, as `run` takes them.

    Returns:
        Each spec at its tuned rate.

    Raises:
        InputError: the best rate is the first or the last of the whole grid.
        OutOfTime: the deadline came before the grid was whole.
    """
    if not specs:
        return []
    start = tuple(map(GRID.index, experiments.find(experiment).RATES))
    ends = dict.fromkeys(specs, start)
    while ends:
        grids = [
            _at_rate(experiment, spec, GRID[index])
            for spec, (low, high) in ends.items()
            for index in range(low, high + 1)
        ]
        run(experiment, grids, TUNING_SEEDS, root=root, **how)
        _check_whole(experiment, grids, root)
        ends = _still_at_an_edge(experiment, ends, root)
    return [tuned(experiment, spec, root) for spec in specs]


def _at_rate(experiment: str, spec: Any, rate: float) -> Any:
    """What is run to judge a rate: the same training, measured no more than that needs."""
    module = experiments.find(experiment)
    slim = module.for_tuning(spec) if hasattr(module, "for_tuning") else spec
    return replace(slim, rate=rate)


def _check_whole(experiment: str, grids: Iterable[Any], root: Path | None) -> None:
    missing = sum(
        len(set(TUNING_SEEDS) - set(store.recorded_seeds(experiment, spec, root))) for spec in grids
    )
    if missing:
        raise OutOfTime(f"{experiment}: {missing} runs of the tuning are left; call again")


def _still_at_an_edge(
    experiment: str, ends: Mapping[Any, tuple[int, int]], root: Path | None
) -> dict[Any, tuple[int, int]]:
    """The specs whose grid must grow, with their wider ends."""
    wider = {}
    for spec, (low, high) in ends.items():
        best = GRID.index(_best(tuning_scores(experiment, spec, root)))
        if best in (low, high) and 0 < best < len(GRID) - 1:
            wider[spec] = (min(low, best - 1), max(high, best + 1))
    return wider


def _best(scores: Mapping[float, float]) -> float:
    return max(scores, key=lambda rate: scores[rate])


def _final_accuracy(rows: Sequence[Row]) -> float:
    curve = [row for row in rows if row.name == "validation_accuracy"]
    last = max(row.step for row in curve)
    return float(np.mean([row.value for row in curve if row.step == last]))
