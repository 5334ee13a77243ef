"""From stored rows to the numbers that a rule names: arm -> metric -> one value a seed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bnkit import experiments, store, sweep
from bnkit.errors import InputError
from bnkit.judging import Samples, steps_to_target
from bnkit.rows import Row

STEPS = "steps_to_target"
_SHARE_OF_FINAL = 0.99  # the target, as a share of the plain arm's final validation accuracy
_TUNED_ON = "validation_accuracy"
_CURVE = "test_accuracy"


class Untested(Exception):
    """What is not there yet: an experiment, an arm or its records. The message says which."""


class Records:
    """Stored rows, each arm's read and its rate looked up once however many claims it serves.

    Args:
        root: the records' folder.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._rows: dict[tuple[str, str, tuple[int, ...]], list[Row]] = {}
        self._resolved: dict[tuple[str, str], Any] = {}

    def samples_of(
        self, experiment: str, arms: Iterable[str], metrics: Iterable[str]
    ) -> tuple[Samples, tuple[int, ...], Mapping[str, Any]]:
        """The judged numbers of some arms, paired by seed.

        Args:
            experiment: the deciding experiment.
            arms: the arms that the rule names.
            metrics: the metrics that it names; those of steps to a target are computed here.

        Returns:
            The samples, the seeds in their order, and for each arm the origin of its seeds.

        Raises:
            Untested: there is nothing to judge by yet.
            RecordError: a record is damaged.
        """
        specs = self._specs(experiment, tuple(arms))
        seeds = self._common_seeds(experiment, specs)
        rows = {arm: self._load(experiment, spec, seeds) for arm, spec in specs.items()}
        samples: dict[str, dict[str, Any]] = {
            arm: _last_values(its_rows, seeds) for arm, its_rows in rows.items()
        }
        if STEPS in set(metrics):
            for arm, its_rows in rows.items():
                home = experiments.home(experiment, specs[arm])
                if home == experiment or "none" in experiments.find(home).ARMS:
                    samples[arm] |= _arrivals(its_rows, seeds, self._target(home))
        origins = {
            arm: store.provenance(experiments.home(experiment, spec), spec, self._root)
            for arm, spec in specs.items()
        }
        return samples, seeds, origins

    def _load(self, experiment: str, spec: Any, seeds: tuple[int, ...]) -> list[Row]:
        home = experiments.home(experiment, spec)
        key = home, store.spec_key(spec), seeds
        if key not in self._rows:
            self._rows[key] = store.load(home, spec, seeds, self._root)
        return self._rows[key]

    def _specs(self, experiment: str, arms: tuple[str, ...]) -> dict[str, Any]:
        if experiment not in experiments.names():
            raise Untested(f"experiment {experiment} is not written yet")
        there = experiments.find(experiment).ARMS
        missing = [arm for arm in arms if arm not in there]
        if missing:
            raise Untested(f"{experiment} has no arm {', '.join(missing)}")
        try:
            for arm in arms:
                if (experiment, arm) not in self._resolved:
                    spec = sweep.resolve(experiment, there[arm], self._root)
                    self._resolved[experiment, arm] = spec
            return {arm: self._resolved[experiment, arm] for arm in arms}
        except store.RecordError:
            raise
        except InputError as error:  # a rate that is not tuned
            raise Untested(str(error)) from None

    def _common_seeds(self, experiment: str, specs: Mapping[str, Any]) -> tuple[int, ...]:
        """The seeds that every arm has; those of tuning have had their say."""
        recorded = [
            set(store.recorded_seeds(experiments.home(experiment, spec), spec, self._root))
            for spec in specs.values()
        ]
        seeds = set.intersection(*recorded) - set(sweep.TUNING_SEEDS)
        if not seeds:
            raise Untested(f"no records yet: run `python -m bnkit sweep {experiment}`")
        return tuple(sorted(seeds))

    def _target(self, experiment: str) -> float:
        """99 % of the tuned plain arm's mean final validation accuracy."""
        specs = self._specs(experiment, ("none",))
        seeds = self._common_seeds(experiment, specs)
        last = _last_values(self._load(experiment, specs["none"], seeds), seeds)
        if _TUNED_ON not in last:
            raise Untested(f"{experiment}: arm none has no {_TUNED_ON}, which sets the target")
        return _SHARE_OF_FINAL * float(last[_TUNED_ON].mean())


def _last_values(rows: Iterable[Row], seeds: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Metric -> its value at its last step, for the metrics that every seed has."""
    last: dict[str, dict[int, Row]] = defaultdict(dict)
    for row in rows:
        before = last[row.name].get(row.seed)
        if before is None or row.step >= before.step:
            last[row.name][row.seed] = row
    return {
        name: np.array([of_seed[seed].value for seed in seeds])
        for name, of_seed in last.items()
        if len(of_seed) == len(seeds)
    }


def _curve(rows: Iterable[Row], name: str, seed: int) -> tuple[list[int], list[float]]:
    points = sorted((r.step, r.value) for r in rows if r.name == name and r.seed == seed)
    return [step for step, _ in points], [value for _, value in points]


def _arrivals(rows: list[Row], seeds: tuple[int, ...], target: float) -> dict[str, np.ndarray]:
    diverged = {row.seed for row in rows if row.name == "diverged"}
    arrivals = []
    for seed in seeds:
        steps, values = _curve(rows, _CURVE, seed)
        if not steps:
            raise Untested(f"seed {seed} has no {_CURVE}, and {STEPS} is read from it")
        arrivals.append(
            steps_to_target(steps, values, target, steps[-1], diverged=seed in diverged)
        )
    return {
        STEPS: np.array([arrival.steps for arrival in arrivals]),
        f"{STEPS}_not_reached": np.array([float(arrival.not_reached) for arrival in arrivals]),
    }
